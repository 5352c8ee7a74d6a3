#include "cli/csv_rows.hpp"

#include <utility>
#include <vector>

#include <csv.h>
#include <fmt/format.h>

#include "model/text.hpp"

namespace troupe::cli {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// A number by the grammar of RFC 8259.
bool is_json_number(std::string_view text) {
  std::size_t at = text.starts_with('-') ? 1 : 0;
  const auto digits = [&] {
    const std::size_t begin = at;
    while (at < text.size() && is_digit(text[at])) ++at;
    return at - begin;
  };
  const std::size_t first = at;
  const std::size_t whole = digits();
  if (whole == 0 || (whole > 1 && text[first] == '0')) return false;
  if (at < text.size() && text[at] == '.') {
    ++at;
    if (digits() == 0) return false;
  }
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    ++at;
    if (at < text.size() && (text[at] == '+' || text[at] == '-')) ++at;
    if (digits() == 0) return false;
  }
  return at == text.size();
}

// The JSON of a number, or of a boolean as pandas and others write them; empty where it is neither.
std::string_view json_scalar(std::string_view text) {
  if (is_json_number(text)) return text;
  for (const std::string_view word : {"true", "True", "TRUE"})
    if (text == word) return "true";
  for (const std::string_view word : {"false", "False", "FALSE"})
    if (text == word) return "false";
  return {};
}

} // namespace

struct csv_rows::impl {
  impl(std::set<std::string> text_columns, std::size_t longest, std::function<void(std::string_view)> taker)
      : texts(std::move(text_columns))
      , record_bytes_max(longest)
      , take(std::move(taker)) {
    csv_init(&parser, CSV_STRICT | CSV_STRICT_FINI);
  }
  ~impl() { csv_free(&parser); }
  impl(const impl&) = delete;
  impl& operator=(const impl&) = delete;

  struct column {
    std::string key; // "\"age\":"
    bool text;
  };

  csv_parser parser{};
  std::set<std::string> texts;
  std::size_t record_bytes_max;
  std::size_t open_bytes = 0; // fed since a record ended
  std::function<void(std::string_view)> take;
  std::vector<column> columns;
  std::vector<std::string> header;
  std::string row;
  std::size_t cells = 0;
  std::size_t lines = 1; // records begun; a record may span lines of the file, but rarely does
  bool at_start = true;
  bool in_header = true;
  std::string problem;

  void complain(std::string what) {
    if (problem.empty()) problem = fmt::format("record {} {}", lines, what);
  }

  void cell(std::string_view text) {
    if (!problem.empty()) return;
    if (model::check_utf8(text) != model::utf8_state::valid) return complain("is not UTF-8");
    if (in_header) {
      header.emplace_back(text);
      return;
    }
    const std::size_t index = cells++;
    if (index >= columns.size() || text.empty()) return;
    row += row.empty() ? '{' : ',';
    row += columns[index].key;
    const auto scalar = columns[index].text ? std::string_view{} : json_scalar(text);
    if (scalar.empty())
      model::append_json_string(row, text);
    else
      row += scalar;
  }

  void end_of_header() {
    std::set<std::string_view> seen;
    for (const std::string& name : header) {
      if (name.empty()) return complain("is the header, and a column has no name");
      if (!seen.insert(name).second)
        return complain(fmt::format("is the header, and names the column {} twice", model::quoted(name)));
      std::string key;
      model::append_json_string(key, name);
      columns.push_back({key + ':', texts.count(name) != 0});
    }
    in_header = false;
  }

  void end_of_record() {
    if (in_header) {
      end_of_header();
    } else if (cells > columns.size()) {
      complain(fmt::format("has {} cells, the header has {}", cells, columns.size()));
    } else if (problem.empty()) {
      if (row.empty()) row += '{';
      row += '}';
      take(row);
    }
    row.clear();
    cells = 0;
    open_bytes = 0;
    ++lines;
  }

  static void on_cell(void* bytes, std::size_t size, void* self) {
    static_cast<impl*>(self)->cell({static_cast<const char*>(bytes), size});
  }
  static void on_record(int, void* self) { static_cast<impl*>(self)->end_of_record(); }

  result<void> state(bool sound) {
    if (!sound) complain(fmt::format("is not CSV: {}", csv_strerror(csv_error(&parser))));
    if (problem.empty()) return {};
    return fail(errc::invalid, problem);
  }
};

csv_rows::csv_rows(std::set<std::string> texts, std::size_t record_bytes_max,
                   std::function<void(std::string_view)> take)
    : impl_(std::make_unique<impl>(std::move(texts), record_bytes_max, std::move(take))) {}
csv_rows::~csv_rows() = default;

result<void> csv_rows::feed(std::string_view bytes) {
  // Spreadsheets begin a file with a byte order mark.
  if (std::exchange(impl_->at_start, false) && bytes.starts_with("\xEF\xBB\xBF")) bytes.remove_prefix(3);
  impl_->open_bytes += bytes.size();
  const std::size_t done =
      csv_parse(&impl_->parser, bytes.data(), bytes.size(), impl::on_cell, impl::on_record, impl_.get());
  if (impl_->open_bytes > impl_->record_bytes_max)
    impl_->complain(fmt::format("is longer than {} bytes; is a quotation mark not closed?", impl_->record_bytes_max));
  return impl_->state(done == bytes.size());
}

result<void> csv_rows::finish() {
  const bool sound = csv_fini(&impl_->parser, impl::on_cell, impl::on_record, impl_.get()) == 0;
  if (auto ok = impl_->state(sound); !ok) return ok;
  if (impl_->in_header)
    return fail(errc::invalid, "the file is empty: a CSV file begins with the names of its columns");
  return {};
}

} // namespace troupe::cli
