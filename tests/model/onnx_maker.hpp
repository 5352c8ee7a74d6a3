#pragma once
// Small ONNX models for tests, written with the protobuf classes: a sound one to start from, which a test then damages.

#include <string>
#include <vector>

#include <onnx/onnx_pb.h>

namespace troupe::model::testing {

inline void add_floats(onnx::NodeProto& node, const std::string& name, const std::vector<float>& values) {
  auto* attribute = node.add_attribute();
  attribute->set_name(name);
  attribute->set_type(onnx::AttributeProto::FLOATS);
  for (const float value : values) attribute->add_floats(value);
}

inline void add_ints(onnx::NodeProto& node, const std::string& name, const std::vector<std::int64_t>& values) {
  auto* attribute = node.add_attribute();
  attribute->set_name(name);
  attribute->set_type(onnx::AttributeProto::INTS);
  for (const std::int64_t value : values) attribute->add_ints(value);
}

inline void add_strings(onnx::NodeProto& node, const std::string& name, const std::vector<std::string>& values) {
  auto* attribute = node.add_attribute();
  attribute->set_name(name);
  attribute->set_type(onnx::AttributeProto::STRINGS);
  for (const std::string& value : values) attribute->add_strings(value);
}

inline void add_int(onnx::NodeProto& node, const std::string& name, std::int64_t value) {
  auto* attribute = node.add_attribute();
  attribute->set_name(name);
  attribute->set_type(onnx::AttributeProto::INT);
  attribute->set_i(value);
}

inline void add_text(onnx::NodeProto& node, const std::string& name, const std::string& value) {
  auto* attribute = node.add_attribute();
  attribute->set_name(name);
  attribute->set_type(onnx::AttributeProto::STRING);
  attribute->set_s(value);
}

inline onnx::NodeProto& add_node(onnx::ModelProto& model, const std::string& type,
                                 const std::vector<std::string>& inputs, const std::vector<std::string>& outputs,
                                 const std::string& domain = "ai.onnx.ml") {
  auto* node = model.mutable_graph()->add_node();
  node->set_op_type(type);
  node->set_domain(domain);
  node->set_name("the " + type);
  for (const auto& input : inputs) node->add_input(input);
  for (const auto& output : outputs) node->add_output(output);
  return *node;
}

inline void add_input(onnx::ModelProto& model, const std::string& name, int width,
                      int type = onnx::TensorProto::FLOAT) {
  auto* input = model.mutable_graph()->add_input();
  input->set_name(name);
  auto* tensor = input->mutable_type()->mutable_tensor_type();
  tensor->set_elem_type(type);
  tensor->mutable_shape()->add_dim();
  tensor->mutable_shape()->add_dim()->set_dim_value(width);
}

inline void add_output(onnx::ModelProto& model, const std::string& name) {
  model.mutable_graph()->add_output()->set_name(name);
}

inline void add_metadata(onnx::ModelProto& model, const std::string& key, const std::string& value) {
  auto* entry = model.add_metadata_props();
  entry->set_key(key);
  entry->set_value(value);
}

/// A model without nodes.
inline onnx::ModelProto empty_model() {
  onnx::ModelProto model;
  model.set_ir_version(8);
  auto* opset = model.add_opset_import();
  opset->set_domain("");
  opset->set_version(17);
  opset = model.add_opset_import();
  opset->set_domain("ai.onnx.ml");
  opset->set_version(1);
  model.mutable_graph()->set_name("test");
  return model;
}

/// X [N,3] -> LinearRegressor -> Y: a + 2b + 3c + 10, features a, b, c.
inline onnx::ModelProto regressor() {
  onnx::ModelProto model = empty_model();
  add_input(model, "X", 3);
  auto& node = add_node(model, "LinearRegressor", {"X"}, {"Y"});
  add_floats(node, "coefficients", {1, 2, 3});
  add_floats(node, "intercepts", {10});
  add_output(model, "Y");
  add_metadata(model, "troupe.signature", R"({"features":[{"name":"a"},{"name":"b"},{"name":"c"}]})");
  return model;
}

/// X [N,2] -> LinearClassifier -> label, scores.
inline onnx::ModelProto classifier(const std::vector<float>& coefficients, const std::vector<float>& intercepts,
                                   const std::vector<std::int64_t>& classes, const std::string& post_transform) {
  onnx::ModelProto model = empty_model();
  add_input(model, "X", 2);
  auto& node = add_node(model, "LinearClassifier", {"X"}, {"label", "scores"});
  add_floats(node, "coefficients", coefficients);
  add_floats(node, "intercepts", intercepts);
  add_ints(node, "classlabels_ints", classes);
  add_text(node, "post_transform", post_transform);
  add_output(model, "label");
  add_output(model, "scores");
  add_metadata(model, "feature_names", "a,b");
  return model;
}

} // namespace troupe::model::testing
