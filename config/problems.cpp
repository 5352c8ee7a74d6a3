#include "config/problems.hpp"

#include <algorithm>
#include <cctype>

#include <fmt/format.h>

namespace troupe::config {
namespace {

constexpr std::size_t reported_max = 100;

/// `inner` is `outer` or lies inside it.
bool inside(std::string_view inner, std::string_view outer) {
  if (outer.empty()) return true;
  return inner.substr(0, outer.size()) == outer &&
         (inner.size() == outer.size() || inner[outer.size()] == '.' || inner[outer.size()] == '[');
}

std::string folded(std::string_view name) {
  std::string result;
  for (char c : name)
    if (c != '.' && c != '_' && c != '-') result += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return result;
}

/// Edits that turn a into b: insert, delete, replace, swap neighbours.
std::size_t distance(const std::string& a, const std::string& b) {
  std::vector<std::size_t> before(b.size() + 1), last(b.size() + 1), now(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    now[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      now[j] = std::min({last[j] + 1, now[j - 1] + 1, last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) now[j] = std::min(now[j], before[j - 2] + 1);
    }
    std::swap(before, last);
    std::swap(last, now);
  }
  return last[b.size()];
}

} // namespace

void problem_list::add(const std::string& path, std::string what) {
  if (places_.insert(path).second || path.empty()) entries_.push_back({path, std::move(what)});
}

bool problem_list::holds(const std::string& path) const { return places_.count(path) != 0; }

bool problem_list::concerns(const std::string& path) const {
  return std::any_of(entries_.begin(), entries_.end(),
                     [&](const entry& e) { return inside(e.path, path) || (!e.path.empty() && inside(path, e.path)); });
}

std::string problem_list::render(const std::string& origin) const {
  std::string text;
  for (std::size_t i = 0; i < std::min(entries_.size(), reported_max); ++i) {
    const auto& [path, what] = entries_[i];
    text += fmt::format("{}{}: {}{}{}", i == 0 ? "" : "\n", origin, path, path.empty() ? "" : ": ", what);
  }
  if (entries_.size() > reported_max) text += fmt::format("\n{}: and {} more", origin, entries_.size() - reported_max);
  return text;
}

std::string nearest_name(std::string_view name, const std::vector<std::string>& candidates) {
  auto wanted = folded(name.substr(0, 128));
  std::size_t best = std::max<std::size_t>(1, wanted.size() / 3) + 1;
  std::string result;
  for (const auto& candidate : candidates) {
    auto known = folded(candidate);
    // A name that was cut short ("interval.ms" for "commit.interval.ms") is no typo, yet as easy to guess.
    bool part = wanted.size() >= 4 && known.find(wanted) != std::string::npos;
    auto edits = part ? std::min<std::size_t>(distance(wanted, known), best - 1) : distance(wanted, known);
    if (edits < best) {
      best = edits;
      result = candidate;
    }
  }
  return result;
}

} // namespace troupe::config
