// Class lists, from attributes and from constants.
#include <algorithm>
#include <cmath>
#include <set>

#include <fmt/format.h>

#include "model/operators/operator.hpp"
#include "model/text.hpp"

namespace troupe::model {
namespace {

class index_of_class final : public operation {
public:
  explicit index_of_class(std::size_t classes)
      : last_(static_cast<std::int64_t>(classes) - 1) {}
  void run(std::span<const cells_in> in, std::span<const cells_out> out) const override {
    for (std::size_t i = 0; i < in[0].rows; ++i)
      *out[0].row<std::int64_t>(i) = std::clamp(*in[0].row<std::int64_t>(i), std::int64_t{0}, last_);
  }

private:
  std::int64_t last_;
};

result<std::vector<std::string>> names_of(const attribute_reader& node, const constant& values) {
  if (!values.is_number()) return values.texts();
  std::vector<std::string> names;
  if (values.type() == element::f32 || values.type() == element::f64)
    for (const double value : values.as<double>())
      if (!(std::abs(value) < 9e15) || std::trunc(value) != value)
        return node.unsupported(fmt::format("{} is no class: expected whole numbers, or strings", value));
  for (const std::int64_t value : values.as<std::int64_t>()) names.push_back(std::to_string(value));
  return names;
}

result<void> check_names(const attribute_reader& node, const std::vector<std::string>& names) {
  std::set<std::string_view> seen;
  for (const std::string& name : names) {
    if (check_utf8(name) != utf8_state::valid)
      return node.wrong(fmt::format("the class {} is not UTF-8", quoted(name)));
    if (!seen.insert(name).second) return node.wrong(fmt::format("the class {} is there twice", quoted(name)));
  }
  return {};
}

} // namespace

result<std::shared_ptr<const class_list>> classes_of(const attribute_reader& node, const constant& values) {
  auto names = names_of(node, values);
  if (!names) return tl::make_unexpected(names.error());
  if (auto ok = check_names(node, *names); !ok) return tl::make_unexpected(ok.error());
  if (names->empty()) return node.wrong("it has no class");
  return std::make_shared<const class_list>(class_list{std::move(*names), values.is_number()});
}

result<std::shared_ptr<const class_list>> read_classes(attribute_reader& node, std::string_view integers,
                                                       std::string_view strings) {
  auto numbers = node.integers(integers);
  if (!numbers) return tl::make_unexpected(numbers.error());
  auto texts = node.strings(strings);
  if (!texts) return tl::make_unexpected(texts.error());
  if (numbers->empty() == texts->empty())
    return node.wrong(fmt::format("expected class labels in one of {} and {}", integers, strings));
  if (texts->empty()) return classes_of(node, {{}, std::move(*numbers)});
  return classes_of(node, {{}, std::move(*texts)});
}

std::unique_ptr<operation> make_index_of_class(std::size_t classes) {
  return std::make_unique<index_of_class>(classes);
}

} // namespace troupe::model
