// troupe score: the walk of a row without Kafka and without a cluster, on JSON lines; the code is what the scorer
// actors run.

#include <chrono>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <sstream>

#include <fmt/format.h>

#include "cli/command.hpp"
#include "model/scoring.hpp"

namespace troupe::cli {
namespace {

struct options {
  std::string model_file, rows_file, rejects_file;
  std::vector<std::string> features, carry;
  bool only_prediction = false;
};

constexpr std::size_t batch_rows = 1024;
constexpr std::size_t read_bytes = 1 << 20;

result<std::vector<char>> read_file(const std::string& path) {
  std::ifstream in{path, std::ios::binary};
  if (!in) return fail(errc::not_found, fmt::format("{}: {}", path, std::strerror(errno)));
  return std::vector<char>(std::istreambuf_iterator<char>{in}, {});
}

using file_ptr = std::unique_ptr<std::FILE, int (*)(std::FILE*)>;

result<file_ptr> open(const std::string& path, const char* mode, std::FILE* standard) {
  if (path.empty() || path == "-") return file_ptr{standard, [](std::FILE*) { return 0; }};
  file_ptr file{std::fopen(path.c_str(), mode), std::fclose};
  if (!file) return fail(errc::not_found, fmt::format("{}: {}", path, std::strerror(errno)));
  return file;
}

/// Lines in, outcomes out, a batch at a time.
class line_scorer {
public:
  line_scorer(std::shared_ptr<const model::scoring_plan> plan, std::FILE* out, std::FILE* rejects)
      : session_(std::move(plan))
      , out_(out)
      , rejects_(rejects) {}

  void line(std::string_view row) {
    if (!row.empty() && row.back() == '\r') row.remove_suffix(1);
    bytes_.insert(bytes_.end(), row.begin(), row.end());
    ends_.push_back(static_cast<std::uint32_t>(bytes_.size()));
    if (ends_.size() == batch_rows || bytes_.size() > read_bytes) flush();
  }

  void flush() {
    outcomes_.clear();
    session_.score(bytes_, ends_, outcomes_);
    std::uint32_t begin = 0;
    for (std::size_t i = 0; i < ends_.size(); ++i) {
      ++rows;
      std::string_view text{outcomes_.bytes.data() + begin, outcomes_.ends[i] - begin};
      if (outcomes_.codes[i] == 0)
        fmt::print(out_, "{}\n", text);
      else
        reject(static_cast<model::rejection>(outcomes_.codes[i]), text);
      begin = outcomes_.ends[i];
    }
    bytes_.clear();
    ends_.clear();
  }

  std::uint64_t rows = 0, rejected = 0;

private:
  void reject(model::rejection code, std::string_view detail) {
    ++rejected;
    auto nul = detail.find('\0');
    if (rejects_) fmt::print(rejects_, "line {}: {}: {}\n", rows, model::to_string(code), detail.substr(nul + 1));
  }

  model::scoring_session session_;
  std::FILE* out_;
  std::FILE* rejects_;
  std::vector<char> bytes_;
  std::vector<std::uint32_t> ends_;
  model::outcome_block outcomes_;
};

int score_lines(line_scorer& scorer, std::FILE* in) {
  std::vector<char> buffer(read_bytes);
  std::string rest;
  auto begun = std::chrono::steady_clock::now();
  while (auto got = std::fread(buffer.data(), 1, buffer.size(), in)) {
    std::string_view chunk{buffer.data(), got};
    for (std::size_t newline; (newline = chunk.find('\n')) != std::string_view::npos;
         chunk.remove_prefix(newline + 1)) {
      if (rest.empty()) {
        scorer.line(chunk.substr(0, newline));
      } else {
        rest += chunk.substr(0, newline);
        scorer.line(rest);
        rest.clear();
      }
    }
    rest += chunk;
    if (on_terminal()) fmt::print(stderr, "\r{} rows", scorer.rows);
  }
  if (!rest.empty()) scorer.line(rest);
  scorer.flush();
  double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
  if (on_terminal())
    fmt::print(stderr, "\r{} rows in {:.2f} s, {:.0f} rows/s\n", scorer.rows, seconds,
               static_cast<double>(scorer.rows) / seconds);
  if (scorer.rejected > 0) fmt::print(stderr, "troupe: {} of {} rows were rejected\n", scorer.rejected, scorer.rows);
  return 0;
}

int run(const options& opts) {
  auto file = read_file(opts.model_file);
  if (!file) return failed(file.error());
  auto loaded = model::load_model(*file);
  if (!loaded) return failed(opts.model_file + ": " + loaded.error().message);
  model::scoring_options scoring;
  scoring.features = opts.features;
  scoring.model_label = opts.model_file;
  if (opts.only_prediction) scoring.carry.emplace();
  if (!opts.carry.empty()) scoring.carry = opts.carry;
  auto plan = model::scoring_plan::make(*loaded, scoring);
  if (!plan) return failed(opts.model_file + ": " + plan.error().message);
  auto in = open(opts.rows_file, "rb", stdin);
  if (!in) return failed(in.error());
  auto rejects = open(opts.rejects_file, "wb", stderr);
  if (!rejects) return failed(rejects.error());
  line_scorer scorer{*plan, stdout, rejects->get()};
  int code = score_lines(scorer, in->get());
  if (std::fflush(stdout) != 0) return failed(fmt::format("can't write the predictions: {}", std::strerror(errno)));
  return code;
}

} // namespace

void add_score_command(CLI::App& app, run_fn& chosen) {
  auto* command =
      app.add_subcommand("score", "Score JSON lines from a file or stdin: no Kafka, no cluster, the same code");
  auto opts = std::make_shared<options>();
  command->add_option("-m,--model", opts->model_file, "ONNX file")->required();
  command->add_option("-f,--file", opts->rows_file, "Rows, one JSON object a line; stdin unless given");
  command->add_option("--features", opts->features, "Feature names in the order of the model's inputs")->delimiter(',');
  auto* carry =
      command
          ->add_option("--carry", opts->carry, "Fields of the row to copy; every one that is no feature unless given")
          ->delimiter(',');
  command->add_flag("--only-prediction", opts->only_prediction, "Copy no field of the row")->excludes(carry);
  command->add_option("--rejects", opts->rejects_file,
                      "Where rows that can't be scored are reported; stderr unless given");
  command->callback([opts, &chosen] { chosen = [opts] { return run(*opts); }; });
}

} // namespace troupe::cli
