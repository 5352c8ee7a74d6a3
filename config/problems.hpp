#pragma once
// Everything that is wrong with one config, gathered so that the user gets it in one go. Internal to config/.

#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

namespace troupe::config {

/// In the order found; the first finding about a place wins, since later ones tend to follow from it.
class problem_list {
public:
  /// `path` is a place in the document ("pipelines[0].topic") or empty for the file as a whole.
  void add(const std::string& path, std::string what);

  /// Whether something is wrong at `path`, inside it, or with a section that it is in.
  [[nodiscard]] bool concerns(const std::string& path) const;

  /// Whether something is wrong with `path` itself.
  [[nodiscard]] bool holds(const std::string& path) const;

  [[nodiscard]] bool empty() const { return entries_.empty(); }
  [[nodiscard]] std::size_t size() const { return entries_.size(); }

  /// One line each: "cluster.json: pipelines[0].topic: ...". At most 100, and then how many more there are.
  [[nodiscard]] std::string render(const std::string& origin) const;

private:
  struct entry {
    std::string path, what;
  };
  std::vector<entry> entries_;
  std::unordered_set<std::string> places_;
};

/// The candidate that `name` was probably meant to be, or "". Case and the separators . _ - do not count as
/// differences, so commitIntervalMs finds commit.interval.ms.
std::string nearest_name(std::string_view name, const std::vector<std::string>& candidates);

} // namespace troupe::config
