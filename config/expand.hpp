#pragma once
// ${NAME} and ${file:PATH} in the strings of a config. Internal to config/.

#include <functional>
#include <optional>
#include <string>

#include "base/result.hpp"
#include "config/json.hpp"
#include "config/problems.hpp"
#include "config/schema.hpp"

namespace troupe::config {

using environment_lookup = std::function<std::optional<std::string>(const std::string&)>;

/// What a file that holds text for a config may be.
inline constexpr std::size_t config_file_bytes_max = 1 << 20;
inline constexpr std::size_t value_file_bytes_max = 64 << 10;

/// The bytes of a regular file, or why not; `others_may_read` tells whether every user of the machine may.
struct file_text {
  std::string bytes;
  bool others_may_read = false;
};
result<file_text> read_file(const std::string& path, std::size_t bytes_max);

/// Replaces ${NAME} by the environment variable and ${file:PATH} by the file's content without its last line end, in
/// every string value (never in names), once: what comes in is not looked at again and stays one value whatever it
/// holds. `$${` stands for `${`. Every variable or file that is missing is a problem. Returns what came from where.
origins expand(json::document& doc, const environment_lookup& environment, problem_list& problems);

} // namespace troupe::config
