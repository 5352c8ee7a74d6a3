// troupe score: the walk of a row without Kafka and without a cluster, on JSON lines or CSV; the code is what the
// scorer actors run.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <memory>
#include <set>

#include <sys/stat.h>

#include <fmt/format.h>

#include "cli/command.hpp"
#include "cli/csv_rows.hpp"
#include "cli/line_splitter.hpp"
#include "model/scoring.hpp"

namespace troupe::cli {
namespace {

struct options {
  std::string model_file, rows_file, rejects_file;
  std::vector<std::string> features, carry;
  bool only_prediction = false, csv = false;
};

constexpr std::size_t batch_rows = 1024;
constexpr std::size_t read_bytes = 1 << 20;
const std::size_t row_bytes_max = model::scoring_options{}.max_row_bytes;

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
  /// `place`: how a row is called where it is rejected; its number counts what `before` counts, too.
  line_scorer(std::shared_ptr<const model::scoring_plan> plan, std::FILE* out, std::FILE* rejects,
              std::string_view place, std::uint64_t before)
      : session_(std::move(plan))
      , place_(place)
      , before_(before)
      , out_(out)
      , rejects_(rejects) {}

  void line(std::string_view row) {
    bytes_.insert(bytes_.end(), row.begin(), row.end());
    ends_.push_back(static_cast<std::uint32_t>(bytes_.size()));
    if (ends_.size() == batch_rows || bytes_.size() > read_bytes) flush();
  }

  void too_long(std::uint64_t bytes) {
    flush();
    ++rows;
    reject(model::rejection::row_too_large,
           fmt::format("the row has {} bytes, more than the {} allowed", bytes, row_bytes_max));
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
    if (rejects_)
      fmt::print(rejects_, "{} {}: {}: {}\n", place_, before_ + rows, model::to_string(code), detail.substr(nul + 1));
  }

  model::scoring_session session_;
  std::string_view place_;
  std::uint64_t before_;
  std::FILE* out_;
  std::FILE* rejects_;
  std::vector<char> bytes_;
  std::vector<std::uint32_t> ends_;
  model::outcome_block outcomes_;
};

/// How far a run has come, on a terminal: rows, and the share of the file where its size is known.
class progress {
public:
  explicit progress(std::FILE* in)
      : begun_(std::chrono::steady_clock::now()) {
    struct stat about {};
    if (fstat(fileno(in), &about) == 0 && S_ISREG(about.st_mode)) bytes_all_ = static_cast<double>(about.st_size);
  }
  void show(std::uint64_t rows, std::size_t more_bytes) {
    bytes_ += static_cast<double>(more_bytes);
    if (!on_terminal()) return;
    if (bytes_all_ > 0)
      fmt::print(stderr, "\r{} rows, {:.0f} %, {:.0f} rows/s ", rows, 100 * bytes_ / bytes_all_, rate(rows));
    else
      fmt::print(stderr, "\r{} rows, {:.0f} rows/s ", rows, rate(rows));
  }
  void end(std::uint64_t rows) const {
    if (on_terminal()) fmt::print(stderr, "\r\033[K{} rows in {:.2f} s, {:.0f} rows/s\n", rows, seconds(), rate(rows));
  }

private:
  double seconds() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - begun_).count(); }
  double rate(std::uint64_t rows) const { return static_cast<double>(rows) / std::max(seconds(), 1e-9); }

  std::chrono::steady_clock::time_point begun_;
  double bytes_ = 0, bytes_all_ = 0;
};

/// `reader`: line_splitter or csv_rows.
template <class Reader>
result<void> read_rows(const line_scorer& scorer, Reader& reader, std::FILE* in, progress& shown) {
  std::vector<char> buffer(read_bytes);
  while (auto got = std::fread(buffer.data(), 1, buffer.size(), in)) {
    if (auto ok = reader.feed({buffer.data(), got}); !ok) return ok;
    shown.show(scorer.rows, got);
  }
  if (std::ferror(in) != 0) return fail(errc::internal, fmt::format("can't read the rows: {}", std::strerror(errno)));
  return reader.finish();
}

template <class Reader> int score_file(line_scorer& scorer, Reader reader, std::FILE* in) {
  progress shown{in};
  const auto read = read_rows(scorer, reader, in, shown);
  scorer.flush(); // whatever ended the reading: the rows before it are good
  if (!read) return failed(read.error());
  shown.end(scorer.rows);
  if (scorer.rejected > 0) fmt::print(stderr, "troupe: {} of {} rows were rejected\n", scorer.rejected, scorer.rows);
  return 0;
}

std::set<std::string> text_features(const model::loaded_model& model, const std::vector<std::string>& names) {
  std::set<std::string> texts;
  for (std::size_t i = 0; i < model.features.size(); ++i)
    if (model.features[i].type == model::feature_type::text)
      texts.insert(i < names.size() ? names[i] : model.features[i].name);
  return texts;
}

int run(const options& opts) {
  auto file = read_model_file(opts.model_file);
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
  const bool csv = opts.csv || opts.rows_file.ends_with(".csv");
  // A record may span lines; the header is the first.
  line_scorer scorer{*plan, stdout, rejects->get(), csv ? "record" : "line", csv ? 1u : 0u};
  int code = csv ? score_file(scorer,
                              csv_rows{text_features(**loaded, opts.features), row_bytes_max,
                                       [&](std::string_view row) { scorer.line(row); }},
                              in->get())
                 : score_file(scorer, line_splitter<line_scorer>{scorer, row_bytes_max}, in->get());
  if (std::fflush(stdout) != 0) return failed(fmt::format("can't write the predictions: {}", std::strerror(errno)));
  return code;
}

} // namespace

void add_score_command(CLI::App& app, run_fn& chosen) {
  auto* command =
      app.add_subcommand("score", "Score a file or stdin, JSON lines or CSV: no Kafka, no cluster, the same code");
  auto opts = std::make_shared<options>();
  command->add_option("-m,--model", opts->model_file, "ONNX, XGBoost or LightGBM file")->required();
  command->add_option("-f,--file", opts->rows_file,
                      "Rows, one JSON object a line, or CSV where the name ends in .csv; stdin unless given");
  command->add_flag("--csv", opts->csv, "The rows are CSV with a header line");
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
