// The files of the checkout as the tidy tests see them: what git tracks, or, in a tree without git, everything but
// build output and hidden folders. Read once; used by the single-threaded test main only.
#pragma once

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::tidy {

struct source_file {
  std::string path; // from the top of the checkout, e.g. "model/linear.cpp"
  std::string text;
};

using complaints = std::vector<std::string>;

/// "model/linear.cpp" -> "model"; a file at the top has no folder.
inline std::string folder_of(std::string_view path) {
  const auto slash = path.find('/');
  return slash == std::string_view::npos ? std::string{} : std::string{path.substr(0, slash)};
}

inline bool ends_with_any(std::string_view path, std::initializer_list<std::string_view> endings) {
  return std::any_of(endings.begin(), endings.end(), [&](std::string_view end) { return path.ends_with(end); });
}

/// Programs and build files: what people edit by hand and read on a screen.
inline bool is_code(std::string_view path) {
  return path == "dev" || path == ".ci/run" ||
         ends_with_any(path, {".cpp", ".hpp", ".py", ".cmake", ".sh", "CMakeLists.txt"});
}

inline bool is_markdown(std::string_view path) { return path.ends_with(".md"); }

/// Everything that is read as text; models, rows and pictures are data.
inline bool is_text(std::string_view path) {
  return is_code(path) || is_markdown(path) ||
         ends_with_any(path, {".txt", ".json", ".xml", ".toml", ".properties", ".in", ".supp", ".yml", ".yaml",
                              ".gitignore", ".clang-format"});
}

/// Without the line ends; the part after the last one counts only if there is something in it.
inline std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const auto end = text.find('\n');
    lines.push_back(text.substr(0, end));
    text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
  }
  return lines;
}

inline std::string read_file(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

/// Empty when git is not there or this is no checkout. The setting lets it look at a checkout owned by somebody else,
/// as in a container.
inline std::vector<std::string> tracked_paths(const std::string& root) {
  std::vector<std::string> paths;
  const std::string command = "git -c safe.directory='*' -C '" + root + "' ls-files -z 2>/dev/null";
  FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return paths;
  std::string all;
  std::array<char, 4096> buffer{};
  for (std::size_t n = 0; (n = fread(buffer.data(), 1, buffer.size(), pipe)) > 0;) all.append(buffer.data(), n);
  pclose(pipe);
  for (std::size_t begin = 0; begin < all.size();) {
    const auto end = all.find('\0', begin);
    paths.push_back(all.substr(begin, end - begin));
    begin = end == std::string::npos ? all.size() : end + 1;
  }
  return paths;
}

inline std::vector<std::string> walked_paths(const std::string& root) {
  namespace fs = std::filesystem;
  std::vector<std::string> paths;
  for (fs::recursive_directory_iterator at(root), end; at != end; ++at) {
    const auto name = at->path().filename().string();
    const bool skip = name == "build" || name == "__pycache__" || (name.starts_with(".") && name != ".ci");
    if (at->is_directory() && skip) at.disable_recursion_pending();
    if (at->is_regular_file()) paths.push_back(fs::relative(at->path(), root).generic_string());
  }
  return paths;
}

inline const std::vector<source_file>& tree() {
  static const std::vector<source_file> files = [] {
    const std::string root = TROUPE_SOURCE_DIR;
    auto paths = tracked_paths(root);
    if (paths.empty()) paths = walked_paths(root);
    std::sort(paths.begin(), paths.end());
    std::vector<source_file> found;
    for (const auto& path : paths) {
      const auto full = std::filesystem::path(root) / path;
      // A file that git knows may be gone from the working tree.
      if (is_text(path) && std::filesystem::is_regular_file(full)) found.push_back({path, read_file(full)});
    }
    return found;
  }();
  return files;
}

/// "model/linear.cpp:12: what is wrong"
inline std::string at(std::string_view path, std::size_t line, std::string_view what) {
  return std::string{path} + ":" + std::to_string(line) + ": " + std::string{what};
}

/// One text for a failing check, so that the log shows every complaint.
inline std::string joined(const complaints& all) {
  std::string text;
  for (const auto& one : all) text += "\n  " + one;
  return text;
}

/// Runs a rule over every text file of the checkout.
template <class Rule> complaints over_tree(Rule rule) {
  complaints all;
  for (const auto& file : tree()) {
    auto more = rule(file.path, file.text);
    all.insert(all.end(), more.begin(), more.end());
  }
  return all;
}

} // namespace troupe::tidy
