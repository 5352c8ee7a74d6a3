#include <algorithm>
#include <cmath>

#include <fmt/format.h>
#include <onnx/onnx_pb.h>

#include "base/assert.hpp"
#include "model/onnx_tensor.hpp"
#include "model/operators/attributes.hpp"
#include "model/operators/operator.hpp"
#include "model/text.hpp"

namespace troupe::model {
namespace {

const attribute_entry& declared(const onnx::NodeProto& node, std::string_view name) {
  const attribute_entry* entry = find_attribute(node.op_type(), name);
  TROUPE_ASSERT(entry != nullptr);
  return *entry;
}

// By its name, which a node need not have; else by what it makes or takes.
std::string label_of(const onnx::NodeProto& node) {
  if (!node.name().empty()) return "node " + quoted(node.name());
  for (const std::string& value : node.output())
    if (!value.empty()) return "node of " + quoted(value);
  for (const std::string& value : node.input())
    if (!value.empty()) return "node behind " + quoted(value);
  return "node without name, inputs and outputs, in the graph";
}

} // namespace

attribute_reader::attribute_reader(const onnx::NodeProto& node, std::int64_t opset, memory_budget& memory)
    : node_(node)
    , where_(fmt::format("{} ({})", node.op_type(), label_of(node)))
    , opset_(opset)
    , memory_(&memory)
    , read_(static_cast<std::size_t>(node.attribute_size()), false) {}

bool attribute_reader::has(std::string_view name) const {
  if (find_attribute(node_.op_type(), name) == nullptr) return false;
  for (const onnx::AttributeProto& attribute : node_.attribute())
    if (attribute.name() == name) return true;
  return false;
}

tl::unexpected<error> attribute_reader::wrong(std::string_view what) const {
  return fail(errc::invalid, fmt::format("{}: {}", where_, what));
}

tl::unexpected<error> attribute_reader::unsupported(std::string_view what) const {
  return fail(errc::unsupported, fmt::format("{}: {}", where_, what));
}

// The attribute's index; -1: absent.
result<int> attribute_reader::find(std::string_view name, int type) {
  declared(node_, name);
  int found = -1;
  for (int i = 0; i < node_.attribute_size(); ++i) {
    const onnx::AttributeProto& attribute = node_.attribute(i);
    if (attribute.name() != name) continue;
    if (found >= 0) return wrong(fmt::format("the attribute {} is there twice", name));
    if (attribute.has_ref_attr_name()) return wrong(fmt::format("the attribute {} refers to one of a function", name));
    if (attribute.type() != type)
      return wrong(fmt::format(
          "the attribute {} has type {}, expected {}", name, onnx::AttributeProto::AttributeType_Name(attribute.type()),
          onnx::AttributeProto::AttributeType_Name(static_cast<onnx::AttributeProto::AttributeType>(type))));
    found = i;
    read_[static_cast<std::size_t>(i)] = true;
  }
  return found;
}

result<std::vector<float>> attribute_reader::floats(std::string_view name) {
  return read_floats(name, [](float value) { return std::isfinite(value); });
}

result<std::vector<float>> attribute_reader::floats_or_infinite(std::string_view name) {
  return read_floats(name, [](float value) { return !std::isnan(value); });
}

result<std::vector<float>> attribute_reader::any_floats(std::string_view name) {
  return read_floats(name, [](float) { return true; });
}

result<std::vector<float>> attribute_reader::read_floats(std::string_view name, bool (*allowed)(float)) {
  const auto index = find(name, onnx::AttributeProto::FLOATS);
  if (!index) return tl::make_unexpected(index.error());
  if (*index < 0) return std::vector<float>{};
  const auto& values = node_.attribute(*index).floats();
  for (int i = 0; i < values.size(); ++i)
    if (!allowed(values[i])) return wrong(fmt::format("the attribute {}[{}] is not a finite number", name, i));
  if (auto ok = charge(static_cast<std::size_t>(values.size()) * sizeof(double)); !ok)
    return tl::make_unexpected(ok.error());
  return std::vector<float>(values.begin(), values.end());
}

result<std::vector<std::int64_t>> attribute_reader::integers(std::string_view name) {
  const auto index = find(name, onnx::AttributeProto::INTS);
  if (!index) return tl::make_unexpected(index.error());
  if (*index < 0) return std::vector<std::int64_t>{};
  const auto& values = node_.attribute(*index).ints();
  if (auto ok = charge(static_cast<std::size_t>(values.size()) * sizeof(std::int64_t)); !ok)
    return tl::make_unexpected(ok.error());
  return std::vector<std::int64_t>(values.begin(), values.end());
}

result<std::vector<std::string>> attribute_reader::strings(std::string_view name) {
  const auto index = find(name, onnx::AttributeProto::STRINGS);
  if (!index) return tl::make_unexpected(index.error());
  if (*index < 0) return std::vector<std::string>{};
  const auto& values = node_.attribute(*index).strings();
  for (int i = 0; i < values.size(); ++i)
    if (check_utf8(values[i]) != utf8_state::valid)
      return wrong(fmt::format("the attribute {}[{}] is not UTF-8", name, i));
  if (auto ok = charge(static_cast<std::size_t>(values.size()) * sizeof(std::string)); !ok)
    return tl::make_unexpected(ok.error());
  return std::vector<std::string>(values.begin(), values.end());
}

result<std::int64_t> attribute_reader::integer(std::string_view name, std::int64_t otherwise) {
  const auto index = find(name, onnx::AttributeProto::INT);
  if (!index) return tl::make_unexpected(index.error());
  return *index < 0 ? otherwise : node_.attribute(*index).i();
}

result<float> attribute_reader::any_number(std::string_view name, float otherwise) {
  const auto index = find(name, onnx::AttributeProto::FLOAT);
  if (!index) return tl::make_unexpected(index.error());
  return *index < 0 ? otherwise : node_.attribute(*index).f();
}

result<float> attribute_reader::number(std::string_view name, float otherwise) {
  const auto value = any_number(name, otherwise);
  if (value && !std::isfinite(*value)) return wrong(fmt::format("the attribute {} is not a finite number", name));
  return value;
}

result<std::optional<constant>> attribute_reader::tensor(std::string_view name) { return read_tensor(name, true); }

result<std::optional<constant>> attribute_reader::any_tensor(std::string_view name) { return read_tensor(name, false); }

result<std::optional<constant>> attribute_reader::read_tensor(std::string_view name, bool finite) {
  const auto index = find(name, onnx::AttributeProto::TENSOR);
  if (!index) return tl::make_unexpected(index.error());
  if (*index < 0) return std::optional<constant>{};
  const onnx::TensorProto& tensor = node_.attribute(*index).t();
  if (auto ok = check_tensor(tensor, fmt::format("{}: the attribute {}", where_, name), finite); !ok)
    return tl::make_unexpected(ok.error());
  if (auto ok = charge(constant_bytes(tensor)); !ok) return tl::make_unexpected(ok.error());
  return std::optional<constant>{to_constant(tensor)};
}

result<std::string> attribute_reader::text(std::string_view name, std::string_view otherwise) {
  const auto index = find(name, onnx::AttributeProto::STRING);
  if (!index) return tl::make_unexpected(index.error());
  return *index < 0 ? std::string{otherwise} : node_.attribute(*index).s();
}

result<bool> attribute_reader::flag(std::string_view name) {
  const auto value = integer(name, declared(node_, name).modes.front() == "1");
  if (!value) return tl::make_unexpected(value.error());
  return *value != 0;
}

result<std::size_t> attribute_reader::mode(std::string_view name) {
  const auto modes = declared(node_, name).modes;
  const auto value = text(name, modes.front());
  if (!value) return tl::make_unexpected(value.error());
  const auto found = std::find(modes.begin(), modes.end(), *value);
  if (found == modes.end()) {
    std::string all;
    for (const std::string_view one : modes) all.append(all.empty() ? "" : ", ").append(one);
    return unsupported(fmt::format("{} is none of {}", name, all));
  }
  return static_cast<std::size_t>(found - modes.begin());
}

result<void> attribute_reader::nothing_else() const {
  for (int i = 0; i < node_.attribute_size(); ++i)
    if (!read_[static_cast<std::size_t>(i)])
      return unsupported(
          fmt::format("the attribute {} is not known to this version", quoted(node_.attribute(i).name())));
  return {};
}

} // namespace troupe::model
