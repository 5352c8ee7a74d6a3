// troupe consume: rows of a topic on stdout, one a line. Reads without a group and commits nothing.

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <memory>

#include <fmt/format.h>

#include "cli/command.hpp"
#include "cli/interrupt.hpp"
#include "cli/json_out.hpp"
#include "kafka/simple_client.hpp"

namespace troupe::cli {
namespace {

struct options {
  kafka_options kafka;
  std::string topic;
  bool from_beginning = false, keys = false, headers = false, json = false;
  std::optional<std::int64_t> offset;
  std::optional<std::int32_t> partition;
  std::uint64_t max = 0;
  std::uint64_t timeout_ms = 0;
};

constexpr auto open_limit = std::chrono::milliseconds{10'000};
constexpr std::size_t write_bytes_at = 1 << 18;

/// Collects lines, and writes them when there are many or nothing more comes for the moment.
class line_printer {
public:
  explicit line_printer(const options& opts)
      : opts_(opts) {}

  void print(const kafka::consumed_record& record) {
    if (opts_.json)
      json(record);
    else
      text(record);
    lines_ += '\n';
    if (lines_.size() >= write_bytes_at) flush();
  }

  void flush() {
    if (lines_.empty() || !good()) return;
    if (std::fwrite(lines_.data(), 1, lines_.size(), stdout) != lines_.size() || std::fflush(stdout) != 0)
      broken_ = errno;
    lines_.clear();
  }

  /// False once stdout can't be written: the reader has gone, or the disk is full.
  bool good() const { return broken_ == 0; }
  int broken() const { return broken_; }

private:
  void text(const kafka::consumed_record& record) {
    if (opts_.headers) {
      const char* separator = "";
      for (auto& header : record.headers) {
        lines_.append(separator).append(header.name).append("=").append(header.value.value_or("null"));
        separator = ",";
      }
      lines_ += '\t';
    }
    if (opts_.keys) lines_.append(record.key.value_or("null")).append("\t");
    lines_ += record.value.value_or("null");
  }

  void json(const kafka::consumed_record& record) {
    buffer_.Clear();
    json_writer out{buffer_};
    auto optional = [&out](const std::optional<std::string_view>& bytes) {
      if (bytes)
        write_bytes(out, *bytes);
      else
        out.Null();
    };
    out.StartObject();
    out.Key("topic");
    write_text(out, record.where.topic);
    out.Key("partition");
    out.Int(record.where.partition);
    out.Key("offset");
    out.Int64(record.offset);
    out.Key("timestamp");
    out.Int64(record.timestamp_ms);
    out.Key("key");
    optional(record.key);
    out.Key("headers");
    out.StartObject();
    for (auto& header : record.headers) {
      out.Key(header.name.data(), static_cast<rapidjson::SizeType>(header.name.size()));
      optional(header.value);
    }
    out.EndObject();
    out.Key("value");
    optional(record.value);
    out.EndObject();
    lines_.append(buffer_.GetString(), buffer_.GetSize());
  }

  const options& opts_;
  std::string lines_;
  rapidjson::StringBuffer buffer_;
  int broken_ = 0;
};

kafka::consume_request request_of(const options& opts) {
  using start = kafka::consume_request::start;
  kafka::consume_request request;
  request.topic = opts.topic;
  request.partition = opts.partition;
  request.from = opts.offset ? start::offset : opts.from_beginning ? start::beginning : start::end;
  request.offset = opts.offset.value_or(0);
  request.max = opts.max;
  return request;
}

int run(const options& opts) {
  using clock = std::chrono::steady_clock;
  quiet_logging();
  auto properties = opts.kafka.properties();
  if (!properties) return failed(properties.error());
  watch_interrupts();
  line_printer printer{opts};
  auto last_row = clock::now();
  auto each = [&](const kafka::consumed_record& record) {
    printer.print(record);
    last_row = clock::now();
    return printer.good();
  };
  // Asked between batches: the time to write what has come.
  auto stop = [&] {
    printer.flush();
    if (interrupts() > 0 || !printer.good()) return true;
    return opts.timeout_ms > 0 && clock::now() - last_row > std::chrono::milliseconds{opts.timeout_ms};
  };
  auto notice = [](const std::string& what) { fmt::print(stderr, "troupe: {}\n", what); };
  auto count = kafka::consume(*properties, request_of(opts), open_limit, each, stop, notice);
  printer.flush();
  if (!count) return failed(count.error());
  if (!printer.good() && printer.broken() != EPIPE)
    return failed(fmt::format("can't write to stdout: {}", std::strerror(printer.broken())));
  return 0;
}

} // namespace

void add_consume_command(CLI::App& app, run_fn& chosen) {
  auto* command = app.add_subcommand("consume", "Print the rows of a topic, one a line, until Ctrl-C; commits nothing");
  auto opts = std::make_shared<options>();
  opts->kafka.add_to(*command);
  command->add_option("-t,--topic", opts->topic, "Topic to read")->required();
  auto* beginning = command->add_flag("--from-beginning", opts->from_beginning, "What is there already, too");
  command->add_option("--offset", opts->offset, "From this offset of each partition that is read")
      ->excludes(beginning)
      ->check(CLI::NonNegativeNumber);
  command->add_option("--partition", opts->partition, "Only this partition")->check(CLI::NonNegativeNumber);
  command->add_option("--max", opts->max, "End after so many rows")->check(CLI::PositiveNumber);
  command->add_option("--timeout-ms", opts->timeout_ms, "End when no row has come for so long")
      ->check(CLI::PositiveNumber);
  command->add_flag("--keys", opts->keys, "Print the key and a tab before each row");
  command->add_flag("--headers", opts->headers, "Print name=value,... and a tab before each row");
  command->add_flag("--json", opts->json,
                    "Print an object for each row: topic, partition, offset, timestamp, key, headers, value");
  command->callback([opts, &chosen] { chosen = [opts] { return run(*opts); }; });
}

} // namespace troupe::cli
