#include "config/load.hpp"

#include <cstdlib>
#include <exception>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <xxhash.h>

#include "config/convert.hpp"
#include "config/expand.hpp"
#include "config/json.hpp"
#include "config/problems.hpp"
#include "config/schema.hpp"

namespace troupe::config {
namespace {

std::optional<std::string> process_environment(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  return value == nullptr ? std::nullopt : std::optional<std::string>(value);
}

void apply_options(json::document& doc, const load_options& options, problem_list& problems) {
  for (const auto& assignment : options.sets) {
    // What a refused assignment has begun must not lead to errors of its own.
    json::document attempt;
    attempt.CopyFrom(doc, attempt.GetAllocator());
    auto before = problems.size();
    apply_set(attempt, assignment, problems);
    if (problems.size() == before) doc.Swap(attempt);
  }
  if (!options.node_name) return;
  auto& memory = doc.GetAllocator();
  if (json::find(doc, "node") == nullptr) json::put(doc, "node", json::value(rapidjson::kObjectType), memory);
  if (auto* node = json::find(doc, "node"); node->IsObject())
    json::put(*node, "name", json::make_string(*options.node_name, memory), memory);
}

void find_open_secrets(const json::value& value, const std::string& path, problem_list& problems) {
  if (value.IsObject()) {
    for (const auto& member : value.GetObject())
      find_open_secrets(member.value, json::member_path(path, json::string_of(member.name)), problems);
  } else if (value.IsString() && is_secret(path) && value.GetStringLength() > 0 &&
             json::string_of(value).find("${") == std::string_view::npos) {
    problems.add(path, "the secret itself stands in a file that every user may read; give ${NAME} or ${file:PATH}, or "
                       "chmod o-r the file");
  }
}

std::string fingerprint_of(const config& loaded) {
  auto text = fingerprinted_json(loaded);
  XXH128_canonical_t bytes;
  XXH128_canonicalFromHash(&bytes, XXH3_128bits(text.data(), text.size()));
  std::string hex;
  for (unsigned char byte : bytes.digest) hex += fmt::format("{:02x}", byte);
  return hex;
}

result<config> load(std::string_view text, const std::string& origin, bool others_may_read,
                    const load_options& options) {
  auto parsed = json::parse(text);
  if (!parsed) {
    std::vector<std::string> lines;
    for (const auto& error : parsed.error())
      lines.push_back(fmt::format("{}:{}:{}: {}", origin, error.line, error.column, error.what));
    return fail(errc::invalid, fmt::format("{}", fmt::join(lines, "\n")));
  }
  auto& doc = *parsed;
  problem_list problems;
  if (!doc.IsObject()) return fail(errc::invalid, fmt::format("{}: an object (text in braces) is expected", origin));
  if (others_may_read) find_open_secrets(doc, "", problems);
  apply_options(doc, options, problems);
  const environment_lookup from_process = process_environment;
  auto expanded = expand(doc, options.environment ? options.environment : from_process, problems);
  normalize(doc, problems);
  validate(doc, expanded, problems);
  remove_bad(doc, "", problems);
  apply_aliases(doc, schema_root(), "", doc.GetAllocator(), problems);
  fill_defaults(doc, schema_root(), doc.GetAllocator());
  auto loaded = to_config(doc, expanded, problems);
  check_meaning(loaded, problems);
  if (!problems.empty()) return fail(errc::invalid, problems.render(origin));
  loaded.fingerprint = fingerprint_of(loaded);
  return loaded;
}

/// No exception leaves this folder: the libraries below allocate, and valijson's regular expressions throw.
result<config> guarded(std::string_view text, const std::string& origin, bool others_may_read,
                       const load_options& options) {
  try {
    return load(text, origin, others_may_read, options);
  } catch (const std::exception& failure) {
    return fail(errc::internal, fmt::format("{}: could not be read: {}", origin, failure.what()));
  }
}

} // namespace

result<config> load_file(const std::string& path, const load_options& options) {
  auto file = read_file(path, config_file_bytes_max);
  if (!file) return tl::make_unexpected(file.error());
  return guarded(file->bytes, path, file->others_may_read, options);
}

result<config> load_text(std::string_view text, const std::string& origin, const load_options& options) {
  if (text.size() > config_file_bytes_max)
    return fail(errc::invalid, fmt::format("{} is larger than {} KiB", origin, config_file_bytes_max / 1024));
  return guarded(text, origin, false, options);
}

std::string summary(const config& loaded) {
  std::vector<std::string> names;
  for (const auto& pipeline : loaded.pipelines) names.push_back(pipeline.name);
  return fmt::format("cluster {}, {} pipeline{} ({}), fingerprint {}", loaded.cluster.name, names.size(),
                     names.size() == 1 ? "" : "s", fmt::join(names, ", "), loaded.fingerprint);
}

std::string show(const config& loaded) { return json::to_pretty_text(to_document(loaded)); }

std::string fingerprinted_json(const config& loaded) {
  return json::to_canonical_text(to_fingerprinted_document(loaded));
}

} // namespace troupe::config
