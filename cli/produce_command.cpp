// troupe produce: lines of a file or of stdin to a topic, one record a line, each accounted for.

#include <cerrno>
#include <chrono>
#include <cstring>
#include <memory>
#include <thread>

#include <fcntl.h>
#include <fmt/format.h>
#include <rapidjson/memorystream.h>
#include <rapidjson/reader.h>
#include <unistd.h>

#include "cli/command.hpp"
#include "cli/interrupt.hpp"
#include "kafka/simple_client.hpp"

namespace troupe::cli {
namespace {

using namespace std::chrono_literals;
using clock = std::chrono::steady_clock;

struct options {
  kafka_options kafka;
  std::string topic, file, key_field;
  double rate = 0;
  std::uint64_t max = 0;
  std::int32_t partition = -1;
};

constexpr std::chrono::milliseconds open_limit = 10s, send_limit = 60s, finish_limit = 60s;
constexpr auto progress_interval = 500ms;
constexpr std::size_t read_bytes = 1 << 16;
constexpr std::size_t most_line_bytes = 64 << 20;

/// Takes one member of the row's top level; everything else passes by. Numbers stay the text they are, and no depth
/// overflows the stack, since rows come from anywhere.
class key_finder : public rapidjson::BaseReaderHandler<rapidjson::UTF8<>, key_finder> {
public:
  explicit key_finder(std::string field)
      : field_(std::move(field)) {}

  /// nullopt: not a JSON object, no such member, or one that is neither string, number nor boolean.
  std::optional<std::string_view> key_of(std::string_view row) {
    depth_ = 0;
    next_ = found_ = false;
    rapidjson::MemoryStream in{row.data(), row.size()};
    rapidjson::Reader reader;
    constexpr auto flags = rapidjson::kParseIterativeFlag | rapidjson::kParseNumbersAsStringsFlag;
    reader.Parse<flags>(in, *this); // ends with an error as soon as the key has been found
    if (!found_) return std::nullopt;
    return key_;
  }

  bool Default() { return skip(); }
  bool Null() { return skip(); }
  bool Bool(bool value) { return scalar(value ? "true" : "false"); }
  bool RawNumber(const char* text, rapidjson::SizeType length, bool) { return scalar({text, length}); }
  bool String(const char* text, rapidjson::SizeType length, bool) { return scalar({text, length}); }
  bool Key(const char* text, rapidjson::SizeType length, bool) {
    next_ = depth_ == 1 && std::string_view{text, length} == field_;
    return true;
  }
  bool StartObject() { return open(); }
  bool StartArray() { return depth_ > 0 && open(); }
  bool EndObject(rapidjson::SizeType) { return --depth_ > 0; }
  bool EndArray(rapidjson::SizeType) { return --depth_ > 0; }

private:
  bool open() {
    if (next_) return false;
    ++depth_;
    return true;
  }
  bool skip() { return depth_ > 0 && !next_; }
  bool scalar(std::string_view text) {
    if (!next_) return depth_ > 0;
    key_ = text;
    found_ = true;
    return false;
  }

  std::string field_, key_;
  std::size_t depth_ = 0;
  bool next_ = false, found_ = false;
};

/// A descriptor, closed at the end unless it is stdin.
struct input {
  int fd = STDIN_FILENO;
  explicit input(int from)
      : fd(from) {}
  input(const input&) = delete;
  ~input() {
    if (fd > STDIN_FILENO) ::close(fd);
  }
};

class line_sender {
public:
  line_sender(const options& opts, kafka::simple_producer& producer)
      : opts_(opts)
      , producer_(producer)
      , keys_(opts.key_field) {}

  /// Until the input's end, --max or an interrupt.
  result<void> send_all(int fd) {
    std::vector<char> buffer(read_bytes);
    std::string rest;
    while (!done()) {
      auto got = ::read(fd, buffer.data(), buffer.size());
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return fail(errc::unavailable, fmt::format("can't read the rows: {}", std::strerror(errno)));
      if (got == 0) break;
      rest.append(buffer.data(), static_cast<std::size_t>(got));
      auto used = send_lines(rest);
      if (!used) return tl::make_unexpected(used.error());
      rest.erase(0, *used);
      if (rest.size() > most_line_bytes)
        return fail(errc::invalid, fmt::format("row {} is longer than {} MiB; is this a file of JSON lines?", sent_ + 1,
                                               most_line_bytes >> 20));
    }
    if (!rest.empty() && !done()) return send(rest);
    return {};
  }

  std::uint64_t sent() const { return sent_; }
  std::uint64_t without_key() const { return without_key_; }

private:
  bool done() const { return interrupts() > 0 || (opts_.max > 0 && sent_ >= opts_.max); }

  /// How many bytes were whole lines.
  result<std::size_t> send_lines(std::string_view text) {
    std::size_t begin = 0;
    for (std::size_t end; !done() && (end = text.find('\n', begin)) != text.npos; begin = end + 1)
      if (auto ok = send(text.substr(begin, end - begin)); !ok) return tl::make_unexpected(ok.error());
    return begin;
  }

  result<void> send(std::string_view row) {
    if (!row.empty() && row.back() == '\r') row.remove_suffix(1);
    if (row.empty()) return {};
    wait_for_turn();
    if (interrupts() > 0) return {};
    std::optional<std::string_view> key;
    if (!opts_.key_field.empty()) {
      key = keys_.key_of(row);
      without_key_ += !key;
    }
    auto ok = producer_.send(key, row, opts_.partition, send_limit);
    if (ok) ++sent_;
    show_progress();
    return ok;
  }

  /// With --rate, row i goes at i/rate seconds: pauses are made up for, so that the rate holds on average.
  void wait_for_turn() {
    if (opts_.rate <= 0) return;
    auto turn = begun_ + std::chrono::duration_cast<clock::duration>(
                             std::chrono::duration<double>(static_cast<double>(sent_) / opts_.rate));
    while (interrupts() == 0) {
      auto now = clock::now();
      if (now >= turn) return;
      std::this_thread::sleep_for(std::min<clock::duration>(turn - now, 100ms));
      show_progress();
    }
  }

  void show_progress() {
    if (!terminal_ || (sent_ % 256 != 0 && opts_.rate <= 0)) return;
    auto now = clock::now();
    if (now - shown_ < progress_interval) return;
    shown_ = now;
    fmt::print(stderr, "\r{} rows sent, {} delivered", sent_, producer_.progress().delivered);
  }

  const options& opts_;
  kafka::simple_producer& producer_;
  key_finder keys_;
  const bool terminal_ = on_terminal();
  std::uint64_t sent_ = 0, without_key_ = 0;
  clock::time_point begun_ = clock::now(), shown_ = begun_;
};

/// Waits for the outcomes; a second Ctrl-C ends the waiting.
kafka::simple_producer::outcome wait_for_outcomes(kafka::simple_producer& producer) {
  auto patience = interrupts() + 1;
  auto until = clock::now() + finish_limit;
  for (;;) {
    auto now = producer.finish(200ms);
    if (now.unknown == 0 || clock::now() > until || interrupts() > patience) return now;
  }
}

int run(const options& opts) {
  quiet_logging();
  auto properties = opts.kafka.properties();
  if (!properties) return failed(properties.error());
  input rows{opts.file.empty() || opts.file == "-" ? STDIN_FILENO : ::open(opts.file.c_str(), O_RDONLY | O_CLOEXEC)};
  if (rows.fd < 0) return failed(fmt::format("{}: {}", opts.file, std::strerror(errno)));
  watch_interrupts();
  std::string first_failure;
  auto note_failure = [&](std::uint64_t number, const std::string& why) {
    if (first_failure.empty()) first_failure = fmt::format("row {}: {}", number + 1, why);
  };
  auto producer = kafka::simple_producer::open(*properties, opts.topic, open_limit, note_failure);
  if (!producer) return failed(producer.error());
  if (opts.partition >= (*producer)->partitions())
    return failed(fmt::format("topic \"{}\" has no partition {}; it has 0 to {}", opts.topic, opts.partition,
                              (*producer)->partitions() - 1));
  auto begun = clock::now();
  line_sender sender{opts, **producer};
  auto sending = sender.send_all(rows.fd);
  auto outcome = wait_for_outcomes(**producer);
  double seconds = std::chrono::duration<double>(clock::now() - begun).count();
  fmt::print(stderr, "{}{} row{} to {} in {:.2f} s\n", on_terminal() ? "\r\033[K" : "", outcome.delivered,
             outcome.delivered == 1 ? "" : "s", opts.topic, seconds);
  if (sender.without_key() > 0)
    fmt::print(stderr, "{} of them had no {} and went without a key\n", sender.without_key(), opts.key_field);
  if (outcome.failed > 0)
    return failed(fmt::format("{} of {} rows were not delivered; the first of them, {}", outcome.failed, sender.sent(),
                              first_failure));
  if (outcome.unknown > 0)
    return failed(
        fmt::format("of {} of {} rows it is not known whether they were delivered: Kafka gave no answer in time",
                    outcome.unknown, sender.sent()));
  return sending ? 0 : failed(sending.error());
}

} // namespace

void add_produce_command(CLI::App& app, run_fn& chosen) {
  auto* command =
      app.add_subcommand("produce", "Send lines of a file or of stdin to a topic; empty lines are left out");
  auto opts = std::make_shared<options>();
  opts->kafka.add_to(*command);
  command->add_option("-t,--topic", opts->topic, "Topic to write to; it has to exist")->required();
  command->add_option("-f,--file", opts->file, "Rows, one a line; stdin unless given");
  command->add_option("--key-field", opts->key_field,
                      "The key is this top-level field of the row: a string, number or boolean");
  auto* partition =
      command->add_option("--partition", opts->partition, "Partition; by the key unless given, at random without one");
  partition->check(CLI::NonNegativeNumber);
  command->add_option("--rate", opts->rate, "Rows per second at most")->check(CLI::PositiveNumber);
  command->add_option("--max", opts->max, "End after so many rows")->check(CLI::PositiveNumber);
  command->callback([opts, &chosen] { chosen = [opts] { return run(*opts); }; });
}

} // namespace troupe::cli
