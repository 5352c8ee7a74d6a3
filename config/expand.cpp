#include "config/expand.hpp"

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

namespace troupe::config {
namespace {

class expander {
public:
  expander(json::allocator& memory, const environment_lookup& environment, problem_list& problems)
      : memory_(memory)
      , environment_(environment)
      , problems_(problems) {}

  void walk(json::value& value, const std::string& path) {
    if (value.IsObject()) {
      for (auto& member : value.GetObject()) walk(member.value, json::member_path(path, json::string_of(member.name)));
    } else if (value.IsArray()) {
      for (rapidjson::SizeType i = 0; i < value.Size(); ++i) walk(value[i], json::element_path(path, i));
    } else if (value.IsString() && json::string_of(value).find("${") != std::string_view::npos) {
      std::string before(json::string_of(value));
      auto after = replaced(before, path);
      found.emplace(path, std::move(before));
      value = json::make_string(after, memory_);
    }
  }

  origins found;

private:
  std::string replaced(const std::string& text, const std::string& path) {
    std::string out;
    for (std::size_t at = 0;;) {
      auto begin = text.find("${", at);
      if (begin == std::string::npos) return out + text.substr(at);
      if (begin > at && text[begin - 1] == '$') {
        out.append(text, at, begin - 1 - at).append("${");
        at = begin + 2;
        continue;
      }
      out.append(text, at, begin - at);
      auto end = text.find('}', begin);
      if (end == std::string::npos) {
        problems_.add(path, "a ${ without its }; write $${ for the characters themselves");
        return out;
      }
      out += looked_up(text.substr(begin + 2, end - begin - 2), path);
      at = end + 1;
    }
  }

  std::string looked_up(const std::string& name, const std::string& path) {
    if (name.compare(0, 5, "file:") == 0) return file_content(name.substr(5), path);
    auto value = environment_(name);
    if (!value) {
      problems_.add(path, fmt::format("the environment has no variable {}", name.empty() ? "without a name" : name));
      return {};
    }
    return checked(std::move(*value), fmt::format("the variable {}", name), path);
  }

  std::string file_content(const std::string& file, const std::string& path) {
    auto read = read_file(file, value_file_bytes_max);
    if (!read) {
      problems_.add(path, read.error().message);
      return {};
    }
    if (is_secret(path) && read->others_may_read) {
      problems_.add(path, fmt::format("{} holds a secret and every user may read it; chmod o-r {}", file, file));
      return {};
    }
    auto& bytes = read->bytes;
    if (!bytes.empty() && bytes.back() == '\n') bytes.pop_back();
    if (!bytes.empty() && bytes.back() == '\r') bytes.pop_back();
    return checked(std::move(bytes), file, path);
  }

  std::string checked(std::string content, const std::string& source, const std::string& path) {
    // JSON is UTF-8 without NUL; the rest of the loader relies on it.
    json::value probe = json::make_string(content, memory_);
    if (content.find('\0') == std::string::npos && json::parse(json::to_text(probe)).has_value()) return content;
    problems_.add(path, fmt::format("{} is not UTF-8 text", source));
    return {};
  }

  json::allocator& memory_;
  const environment_lookup& environment_;
  problem_list& problems_;
};

errc code_of(int number) { return number == ENOENT || number == ENOTDIR ? errc::not_found : errc::unavailable; }

} // namespace

result<file_text> read_file(const std::string& path, std::size_t bytes_max) {
  if (path.find('\0') != std::string::npos) return fail(errc::invalid, "the file's name holds a NUL");
  // Without O_NONBLOCK a pipe that nobody writes to would be waited for.
  int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return fail(code_of(errno), fmt::format("{} can't be read: {}", path, std::strerror(errno)));
  struct stat about {};
  file_text text;
  std::string wrong;
  if (::fstat(fd, &about) != 0)
    wrong = fmt::format("{} can't be read: {}", path, std::strerror(errno));
  else if (!S_ISREG(about.st_mode))
    wrong = fmt::format("{} is not a regular file", path);
  text.others_may_read = (about.st_mode & S_IROTH) != 0;
  // Counted while reading, since a file can grow, and those of /proc have no size.
  for (char chunk[16384]; wrong.empty();) {
    auto got = ::read(fd, chunk, sizeof chunk);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) wrong = fmt::format("{} can't be read: {}", path, std::strerror(errno));
    if (got <= 0) break;
    text.bytes.append(chunk, static_cast<std::size_t>(got));
    if (text.bytes.size() > bytes_max) wrong = fmt::format("{} is larger than {} KiB", path, bytes_max / 1024);
  }
  ::close(fd);
  if (!wrong.empty()) return fail(errc::invalid, wrong);
  return text;
}

origins expand(json::document& doc, const environment_lookup& environment, problem_list& problems) {
  expander work(doc.GetAllocator(), environment, problems);
  work.walk(doc, "");
  return std::move(work.found);
}

} // namespace troupe::config
