#include "model/encoder.hpp"

#include <charconv>
#include <cstring>

#include "model/json_text.hpp"

namespace troupe::model {
namespace {

void append(std::vector<char>& out, std::string_view text) { out.insert(out.end(), text.begin(), text.end()); }

void append(std::vector<char>& out, float number) {
  char text[32];
  const auto [end, status] = std::to_chars(text, text + sizeof text, number);
  out.insert(out.end(), text, end);
}

void append_list(std::vector<char>& out, std::span<const float> numbers, const std::vector<std::string>* keys) {
  out.push_back(keys != nullptr ? '{' : '[');
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    if (i > 0) out.push_back(',');
    if (keys != nullptr) append(out, (*keys)[i]);
    append(out, numbers[i]);
  }
  out.push_back(keys != nullptr ? '}' : ']');
}

void append_member(const bound_plan& plan, const output_member& member, const row_result& result,
                   std::vector<char>& out) {
  using kind_type = output_member::kind_type;
  append(out, member.key);
  switch (member.kind) {
  case kind_type::number:
    append(out, result.numbers[member.column]);
    return;
  case kind_type::label:
    append(out, plan.labels[result.label]);
    return;
  case kind_type::probabilities:
    append_list(out, result.numbers, &plan.label_keys);
    return;
  case kind_type::values:
    append_list(out, result.numbers, nullptr);
    return;
  case kind_type::text:
    append(out, member.text);
    return;
  }
}

void append_carried(const bound_plan& plan, std::string_view row, const row_field& field, std::vector<char>& out) {
  const std::string_view value = row.substr(field.value_begin, field.value_end - field.value_begin);
  if (field.tag < 0) {
    append(out, row.substr(field.key_begin, field.key_end - field.key_begin));
    out.push_back(':');
    append(out, value);
    out.push_back(',');
    return;
  }
  for (const carry_rule::part& part : plan.carry[static_cast<std::size_t>(field.tag)].parts) {
    const auto found = walk(value, part.path.data(), part.path.data() + part.path.size());
    if (!found) continue;
    append(out, part.key);
    append(out, *found);
    out.push_back(',');
  }
}

} // namespace

void encode(const bound_plan& plan, std::string_view row, std::span<const row_field> fields, const row_result& result,
            std::vector<char>& out) {
  out.push_back('{');
  for (const row_field& field : fields) append_carried(plan, row, field, out);
  for (std::size_t i = 0; i < plan.members.size(); ++i) {
    if (i > 0) out.push_back(',');
    append_member(plan, plan.members[i], result, out);
  }
  out.push_back('}');
}

} // namespace troupe::model
