#pragma once
// CSV with a header line into JSON rows, for `troupe score`: a cell becomes a number where it reads as one and its
// column is not a text feature, else a string; an empty cell is a field that is missing. RFC 4180 by libcsv. One
// thread.

#include <cstddef>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace troupe::cli {

class csv_rows {
public:
  /// `texts`: the columns whose cells are always strings. `record_bytes_max`: what a record without end may take, and
  /// one piece of the file more. `take` gets each row as a JSON object, valid during the call.
  csv_rows(std::set<std::string> texts, std::size_t record_bytes_max, std::function<void(std::string_view)> take);
  ~csv_rows();
  /// The next bytes of the file. Fails (errc::invalid) with the line where the text is not CSV, has more cells than the
  /// header, is longer than the bound, or a header that is empty or has a name twice.
  result<void> feed(std::string_view bytes);
  /// The end of the file.
  result<void> finish();

private:
  struct impl;
  std::unique_ptr<impl> impl_;
};

} // namespace troupe::cli
