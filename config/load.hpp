#pragma once
// Reads a cluster config file and everything else that cli/ does with one. Called from main() and from tests, before
// any actor exists; nothing here is kept between calls, and nothing logs. Errors are values: `error::message` has one
// line for each thing that is wrong, all of them found in one go, as far as the text is JSON at all. A secret is never
// part of one.

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "config/config.hpp"

namespace troupe::config {

/// What comes from the command line on top of the file.
struct load_options {
  /// "a.b=c" in their order, before ${...} is expanded: the value is JSON, else (or where only a string fits) a string.
  /// Array elements go by number: "pipelines.0.topic=x"; the number after the last appends. A secret is refused
  /// unless it is a ${...}.
  std::vector<std::string> sets;
  /// `--name`: wins over node.name in the file.
  std::optional<std::string> node_name;
  /// Where ${NAME} is looked up; empty: the environment of the process.
  std::function<std::optional<std::string>(const std::string&)> environment;
};

/// Reads, checks and converts the file at `path`. errc::not_found or unavailable where it can't be read, invalid where
/// it is wrong in any way. The file must be a regular one (a symbolic link to one is fine) of at most 1 MiB.
result<config> load_file(const std::string& path, const load_options& options = {});

/// The same for a text; `origin` stands for the file's name in errors.
result<config> load_text(std::string_view text, const std::string& origin, const load_options& options = {});

/// `troupe config check`: one line about a config that loads, for people.
std::string summary(const config& loaded);

/// `troupe config show`: what is in force after defaults, `--set` and ${...}, as JSON that loads again; secrets are
/// replaced by "<redacted>".
std::string show(const config& loaded);

/// What `config::fingerprint` is computed over: `cluster` and `pipelines` in force, sorted keys, no spaces. Two nodes
/// whose fingerprints differ can show where by comparing these.
std::string fingerprinted_json(const config& loaded);

/// `troupe config schema`: config/schema.json as it was at build time (JSON Schema, draft 7).
std::string_view schema();

/// `troupe config schema --markdown`: docs/configuration.md.
std::string configuration_markdown();

} // namespace troupe::config
