#include "cli/command.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>

#include <fmt/format.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include "config/load.hpp"
#include "model/loaded_model.hpp"
#include "model/text.hpp"

namespace troupe::cli {

int failed(const std::string& why) {
  std::istringstream lines{why};
  for (std::string line; std::getline(lines, line);) std::fprintf(stderr, "troupe: %s\n", line.c_str());
  return 1;
}

int failed(const error& why) { return failed(why.message); }

result<std::vector<char>> read_model_file(const std::string& path) {
  std::error_code none;
  const auto what = std::filesystem::status(path, none).type();
  if (what != std::filesystem::file_type::regular && what != std::filesystem::file_type::not_found)
    return fail(errc::invalid, path + " is no regular file");
  const std::uintmax_t bytes = std::filesystem::file_size(path, none);
  const model::load_limits limits;
  if (!none && bytes > limits.file_bytes_max)
    return fail(errc::invalid, fmt::format("{} has {} bytes, a model may have {}", path, bytes, limits.file_bytes_max));
  std::ifstream in{path, std::ios::binary};
  if (!in) return fail(errc::not_found, fmt::format("{}: {}", path, std::strerror(errno)));
  return std::vector<char>(std::istreambuf_iterator<char>{in}, {});
}

result<void> check_plain(const std::string& name) {
  const auto plain = [](char c) { return c >= ' ' && c < 0x7F && c != '"' && c != '\\'; };
  if (std::all_of(name.begin(), name.end(), plain)) return {};
  return fail(errc::invalid, model::quoted(name) + " is no name: it has characters that no name has");
}

void kafka_options::add_to(CLI::App& command) {
  auto* file =
      command.add_option("-c,--config", config_file, "Cluster config file; its section kafka says where Kafka is");
  command.add_option("-b,--bootstrap", bootstrap, "Kafka's host:port, instead of a config file")->excludes(file);
  command.add_option("--set", sets, "Override one option of the config: a.b=c")->needs(file);
}

result<std::map<std::string, std::string>> kafka_options::properties() const {
  if (!bootstrap.empty()) return std::map<std::string, std::string>{{"bootstrap.servers", bootstrap}};
  auto file = config_file;
  if (file.empty() && std::filesystem::exists("cluster.json")) file = "cluster.json";
  if (file.empty()) return std::map<std::string, std::string>{{"bootstrap.servers", "127.0.0.1:9092"}};
  auto loaded = config::load_file(file, {sets, {}, {}});
  if (!loaded) return tl::make_unexpected(loaded.error());
  return loaded->kafka;
}

void quiet_logging() {
  spdlog::set_default_logger(
      std::make_shared<spdlog::logger>("troupe", std::make_shared<spdlog::sinks::stderr_sink_mt>()));
  spdlog::set_pattern("troupe: %v");
  spdlog::set_level(spdlog::level::err);
}

bool on_terminal() { return ::isatty(STDERR_FILENO) == 1; }

} // namespace troupe::cli
