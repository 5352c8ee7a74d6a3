#pragma once
// troupe model show FILE and troupe model bench FILE: what a file is and how fast it is, without a cluster.

#include <string>

namespace troupe::cli {

/// Whether `reference` is a file, as opposed to a version like games@2.
bool is_model_file(const std::string& reference);
/// Prints signature, operators, plan, size and golden results. The exit code.
int show_model_file(const std::string& path, bool json);

struct bench_options {
  std::string path;
  std::string rows; ///< JSON lines; empty: rows made up from what the file tells of its features
  bool json = false;
  double seconds = 0.5; ///< spent on each batch size
};
/// Prints microseconds a row at batches of 1, 64 and 1024: features in memory to results in memory, one thread. The
/// exit code.
int bench_model_file(const bench_options& options);

} // namespace troupe::cli
