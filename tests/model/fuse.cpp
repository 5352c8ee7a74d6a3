// What becomes one step when a model is loaded, and what must not. That the numbers stay the same, tensor_golden shows.
#include <boost/test/unit_test.hpp>

#include "model/evaluator.hpp"
#include "model/loaded_model.hpp"
#include "tests/model/onnx_maker.hpp"

using namespace troupe::model;
using namespace troupe::model::testing;

namespace {

void add_constant(onnx::ModelProto& model, const std::string& name, const std::vector<std::int64_t>& dims,
                  const std::vector<float>& values) {
  auto* tensor = model.mutable_graph()->add_initializer();
  tensor->set_name(name);
  tensor->set_data_type(onnx::TensorProto::FLOAT);
  for (const std::int64_t size : dims) tensor->add_dims(size);
  for (const float value : values) tensor->add_float_data(value);
}

// X [N,2], a 2 x 2 matrix W, a bias b.
onnx::ModelProto with_matrix() {
  onnx::ModelProto model = empty_model();
  add_input(model, "X", 2);
  add_output(model, "Y");
  add_constant(model, "W", {2, 2}, {1, 2, 3, 4});
  add_constant(model, "b", {2}, {10, -20});
  return model;
}

void add(onnx::ModelProto& model, const std::string& type, const std::vector<std::string>& inputs,
         const std::string& output) {
  add_node(model, type, inputs, {output}, "");
}

std::shared_ptr<const loaded_model> load(const onnx::ModelProto& model) {
  const auto loaded = load_onnx(model.SerializeAsString());
  BOOST_REQUIRE_MESSAGE(loaded.has_value(), (loaded ? "" : loaded.error().message));
  return *loaded;
}

std::vector<std::string> steps_of(const onnx::ModelProto& model) {
  std::vector<std::string> names;
  const auto loaded = load(model);
  for (const step& one : loaded->graph->steps()) names.push_back(one.name);
  return names;
}

using names = std::vector<std::string>;

} // namespace

BOOST_AUTO_TEST_SUITE(fuse)

BOOST_AUTO_TEST_CASE(compile__product_bias_activation__one_step) {
  auto model = with_matrix();
  add(model, "MatMul", {"X", "W"}, "A");
  add(model, "Add", {"A", "b"}, "B");
  add(model, "Relu", {"B"}, "Y");
  BOOST_TEST(steps_of(model) == (names{"MatMul + Add + Relu"}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(compile__two_products_without_a_bend__one_product) {
  auto model = with_matrix();
  add(model, "MatMul", {"X", "W"}, "A");
  add(model, "Add", {"A", "b"}, "B");
  add(model, "MatMul", {"B", "W"}, "Y");
  BOOST_TEST(steps_of(model) == (names{"MatMul + Add + MatMul"}), boost::test_tools::per_element());
  const auto loaded = load(model);
  auto scratch = loaded->graph->make_scratch();
  const double row[] = {1, 1};
  loaded->graph->load(row, nullptr, 1, scratch);
  loaded->graph->run(1, scratch);
  // (1, 1) W = (4, 6); + b = (14, -14); W: (14 - 42, 28 - 56).
  BOOST_TEST(loaded->graph->numbers(scratch, 0)[0] == -28.0F);
  BOOST_TEST(loaded->graph->numbers(scratch, 0)[1] == -28.0F);
}

// Conv, Relu, a pool of 2 x 2 with the given padding at each side, on an image of 4 x 4.
onnx::ModelProto with_pool(const std::string& kind, std::int64_t padding) {
  onnx::ModelProto model = empty_model();
  add_input(model, "X", 16);
  add_output(model, "Y");
  auto* shape = model.mutable_graph()->add_initializer();
  shape->set_name("shape");
  shape->set_data_type(onnx::TensorProto::INT64);
  shape->add_dims(4);
  for (const std::int64_t size : {-1, 1, 4, 4}) shape->add_int64_data(size);
  add_constant(model, "W", {1, 1, 1, 1}, {2});
  add(model, "Reshape", {"X", "shape"}, "A");
  add(model, "Conv", {"A", "W"}, "B");
  add(model, "Relu", {"B"}, "C");
  auto& pool = add_node(model, kind, {"C"}, {"D"}, "");
  add_ints(pool, "kernel_shape", {2, 2});
  add_ints(pool, "strides", {2, 2});
  add_ints(pool, "pads", std::vector<std::int64_t>(4, padding));
  add(model, "Flatten", {"D"}, "Y");
  return model;
}

BOOST_AUTO_TEST_CASE(compile__convolution_activation_largest_of_windows__one_step) {
  BOOST_TEST(steps_of(with_pool("MaxPool", 0)) == (names{"Conv + Relu + MaxPool"}), boost::test_tools::per_element());
  BOOST_TEST(steps_of(with_pool("MaxPool", 1)) == (names{"Conv + Relu", "MaxPool"}), boost::test_tools::per_element());
  BOOST_TEST(steps_of(with_pool("AveragePool", 0)) == (names{"Conv + Relu", "AveragePool"}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(compile__chain_of_100_biases__64_are_taken_in_and_none_is_lost) {
  auto model = with_matrix();
  add(model, "MatMul", {"X", "W"}, "v0");
  for (int i = 0; i < 100; ++i)
    add(model, "Add", {"v" + std::to_string(i), "b"}, i == 99 ? "Y" : "v" + std::to_string(i + 1));
  BOOST_TEST(steps_of(model).size() == 1u + 36u);
  const auto loaded = load(model);
  auto scratch = loaded->graph->make_scratch();
  const double row[] = {1, 1};
  loaded->graph->load(row, nullptr, 1, scratch);
  loaded->graph->run(1, scratch);
  BOOST_TEST(loaded->graph->numbers(scratch, 0)[0] == 1004.0F);
  BOOST_TEST(loaded->graph->numbers(scratch, 0)[1] == -1994.0F);
}

BOOST_AUTO_TEST_CASE(compile__products_with_a_bend_between__two_steps) {
  auto model = with_matrix();
  add(model, "MatMul", {"X", "W"}, "A");
  add(model, "Tanh", {"A"}, "B");
  add(model, "MatMul", {"B", "W"}, "Y");
  BOOST_TEST(steps_of(model) == (names{"MatMul + Tanh", "MatMul"}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(compile__narrow_between_wide__stays_two_products) {
  onnx::ModelProto model = empty_model();
  add_input(model, "X", 8);
  add_output(model, "Y");
  add_constant(model, "W", {8, 1}, std::vector<float>(8, 1));
  add_constant(model, "V", {1, 8}, std::vector<float>(8, 1));
  add(model, "MatMul", {"X", "W"}, "A");
  add(model, "MatMul", {"A", "V"}, "Y");
  BOOST_TEST(steps_of(model).size() == 2u);
}

BOOST_AUTO_TEST_CASE(compile__result_that_two_read__stays) {
  auto model = with_matrix();
  add(model, "MatMul", {"X", "W"}, "A");
  add(model, "Relu", {"A"}, "B");
  add(model, "Mul", {"A", "B"}, "Y");
  BOOST_TEST(steps_of(model) == (names{"MatMul", "Relu", "Mul"}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(compile__scaler_before_a_linear_model__taken_into_its_weights) {
  onnx::ModelProto model = empty_model();
  add_input(model, "X", 2);
  add_output(model, "Y");
  auto& scaler = add_node(model, "Scaler", {"X"}, {"S"});
  add_floats(scaler, "offset", {1, 2});
  add_floats(scaler, "scale", {2, .5F});
  auto& linear = add_node(model, "LinearRegressor", {"S"}, {"Y"});
  add_floats(linear, "coefficients", {3, 4});
  add_floats(linear, "intercepts", {10});
  BOOST_TEST(steps_of(model) == (names{"Scaler + LinearRegressor"}), boost::test_tools::per_element());
  const auto loaded = load(model);
  auto scratch = loaded->graph->make_scratch();
  const double row[] = {2, 6};
  loaded->graph->load(row, nullptr, 1, scratch);
  loaded->graph->run(1, scratch);
  BOOST_TEST(loaded->graph->numbers(scratch, 0)[0] == 24.0F); // 3 * 2 + 4 * 2 + 10
}

BOOST_AUTO_TEST_SUITE_END()
