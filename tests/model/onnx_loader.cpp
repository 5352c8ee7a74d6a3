// Sound files load; each way to damage one is refused with a sentence that names the part.
#include <boost/test/unit_test.hpp>

#include <filesystem>
#include <functional>
#include <limits>
#include <random>

#include "model/evaluator.hpp"
#include "model/loaded_model.hpp"
#include "model/scoring.hpp"
#include "tests/model/files.hpp"
#include "tests/model/onnx_maker.hpp"

using namespace troupe;
using namespace troupe::model;
using namespace troupe::model::testing;
using namespace std::string_literals;

namespace {

result<std::shared_ptr<const loaded_model>> load(const std::string& file) { return load_onnx(file); }
result<std::shared_ptr<const loaded_model>> load(const onnx::ModelProto& model) {
  return load(model.SerializeAsString());
}

std::string refusal(const std::string& file) {
  const auto loaded = load(file);
  BOOST_REQUIRE(!loaded.has_value());
  for (const char c : loaded.error().message) BOOST_TEST((c >= 0x20 && c < 0x7F));
  return loaded.error().message;
}
std::string refusal(const onnx::ModelProto& model) { return refusal(model.SerializeAsString()); }

// What is refused in a regressor damaged by `damage`.
std::string damaged(const std::function<void(onnx::ModelProto&)>& damage) {
  onnx::ModelProto model = regressor();
  damage(model);
  return refusal(model);
}

onnx::NodeProto& node_of(onnx::ModelProto& model, int index = 0) { return *model.mutable_graph()->mutable_node(index); }

onnx::TensorProto& add_initializer(onnx::ModelProto& model) {
  auto* tensor = model.mutable_graph()->add_initializer();
  tensor->set_name("W");
  tensor->set_data_type(onnx::TensorProto::FLOAT);
  return *tensor;
}

void check_contains(const std::string& text, const std::string& part) {
  BOOST_TEST(text.find(part) != std::string::npos, "'" << part << "' is not in: " << text);
}

std::vector<std::filesystem::path> example_files() {
  std::vector<std::filesystem::path> files;
  for (const char* folder : {"/examples", "/tests/model/golden"})
    for (const auto& entry : std::filesystem::directory_iterator(TROUPE_SOURCE_DIR + std::string{folder}))
      if (entry.path().extension() == ".onnx") files.push_back(entry.path());
  return files;
}

// Whatever loads must also score without harm.
void score_if_loaded(const std::string& file) {
  const auto loaded = load(file);
  if (!loaded) {
    BOOST_REQUIRE(!loaded.error().message.empty());
    return;
  }
  scoring_options options;
  if ((*loaded)->features.empty())
    for (std::size_t i = 0; i < (*loaded)->graph->number_columns(); ++i)
      options.features.push_back("f" + std::to_string(i));
  const auto plan = scoring_plan::make(*loaded, options);
  if (!plan) return;
  std::string row = "{\"other\":1";
  for (const std::string& name : (*plan)->feature_names())
    if (name.find_first_of("\"\\") == std::string::npos) row += ",\"" + name + "\":0.5";
  row += "}";
  const std::uint32_t end = static_cast<std::uint32_t>(row.size());
  outcome_block out;
  scoring_session session{*plan};
  session.score(row, {&end, 1}, out);
  BOOST_REQUIRE(out.ends.size() == 1u);
}

} // namespace

BOOST_AUTO_TEST_SUITE(onnx_loader)

BOOST_AUTO_TEST_CASE(load_onnx__games__is_a_binary_classifier_with_names) {
  const auto loaded = load(read_file("examples/games.onnx"));
  BOOST_REQUIRE_MESSAGE(loaded.has_value(), (loaded ? "" : loaded.error().message));
  const loaded_model& games = **loaded;
  BOOST_TEST((games.what == task::binary_classifier));
  BOOST_TEST(games.graph->number_columns() == 10u);
  BOOST_TEST(games.features.front().name == "G1");
  BOOST_TEST(games.features.back().name == "G10");
  BOOST_TEST(games.classes.at(1) == "1");
  BOOST_TEST(games.classes_are_numbers);
  BOOST_TEST(games.positive_class == 1u);
  BOOST_TEST(games.name_in_file == "games");
}

BOOST_AUTO_TEST_CASE(load_onnx__regressor__loads) {
  const auto loaded = load(regressor());
  BOOST_REQUIRE(loaded.has_value());
  BOOST_TEST(((*loaded)->what == task::regressor));
  BOOST_TEST((*loaded)->targets == 1u);
}

BOOST_AUTO_TEST_CASE(load_onnx__other_formats__refused_with_advice) {
  for (const std::string& start : {"\x80\x04\x95"s, "\x80\x02}"s, "PK\x03\x04"s, "\x1f\x8b\x08"s, "7z\xbc\xaf\x27\x1c"s,
                                   "\x93NUMPY\x01"s, "{\"learner\":"s, "<?xml"s}) {
    const std::string message = refusal(start + std::string(100, '\0'));
    check_contains(message, "not an ONNX model");
    check_contains(message, ".onnx");
  }
  check_contains(refusal(""s), "empty");
  check_contains(refusal("hello"s), "not an ONNX model");
  check_contains(refusal(std::string(1000, '\0')), "not an ONNX model");
}

BOOST_AUTO_TEST_CASE(load_onnx__too_large__refused) {
  const std::string file = regressor().SerializeAsString();
  const auto loaded = load_onnx(file, {file.size() - 1});
  BOOST_REQUIRE(!loaded.has_value());
  check_contains(loaded.error().message, "more than the");
  BOOST_TEST(load_onnx(file, {file.size()}).has_value());
}

BOOST_AUTO_TEST_CASE(load_onnx__protobuf_bombs__refused) {
  // Nested deeper than any sound model: graphs in attributes of nodes in graphs.
  onnx::ModelProto deep = regressor();
  onnx::GraphProto* graph = deep.mutable_graph();
  for (int i = 0; i < 60; ++i) {
    auto* attribute = graph->add_node()->add_attribute();
    attribute->set_type(onnx::AttributeProto::GRAPH);
    graph = attribute->mutable_g();
  }
  check_contains(refusal(deep), "not an ONNX model");
  const std::string groups(1000, '\x0b');
  check_contains(refusal(regressor().SerializeAsString() + groups), "not an ONNX model");
  check_contains(refusal("\x08" + std::string(11, '\xff')), "not an ONNX model");
  check_contains(refusal("\x3a\xff\xff\xff\xff\x0f"s), "not an ONNX model");
  check_contains(refusal("\x02\x00"s), "not an ONNX model");
}

BOOST_AUTO_TEST_CASE(load_onnx__versions__checked) {
  check_contains(damaged([](auto& m) { m.set_ir_version(0); }), "ir_version");
  check_contains(damaged([](auto& m) { m.set_ir_version(99); }), "ir_version");
  check_contains(damaged([](auto& m) { m.mutable_opset_import(0)->set_version(0); }), "opset of ai.onnx is 0");
  check_contains(damaged([](auto& m) { m.mutable_opset_import(0)->set_version(9999); }), "opset of ai.onnx is 9999");
  check_contains(damaged([](auto& m) { m.mutable_opset_import(1)->set_version(9); }), "opset of ai.onnx.ml is 9");
  check_contains(damaged([](auto& m) { m.mutable_opset_import(1)->set_domain(""); }), "twice");
  check_contains(damaged([](auto& m) { m.mutable_opset_import(1)->set_domain("com.microsoft"); }),
                 "opset_import does not name");
  check_contains(damaged([](auto& m) { m.clear_opset_import(); }), "opset_import");
  check_contains(damaged([](auto& m) { m.clear_graph(); }), "no graph");
}

BOOST_AUTO_TEST_CASE(load_onnx__parts_of_onnx_we_lack__refused_by_name) {
  check_contains(damaged([](auto& m) { m.add_functions(); }), "functions");
  check_contains(damaged([](auto& m) { m.add_training_info(); }), "training_info");
  check_contains(damaged([](auto& m) { m.mutable_graph()->add_sparse_initializer(); }), "sparse");
}

BOOST_AUTO_TEST_CASE(load_onnx__unknown_operator__named_with_node_and_opset) {
  onnx::ModelProto model = regressor();
  node_of(model).set_op_type("DictVectorizer");
  const auto loaded = load(model);
  BOOST_REQUIRE(!loaded.has_value());
  BOOST_TEST((loaded.error().code == errc::unsupported));
  check_contains(loaded.error().message, "'DictVectorizer'");
  check_contains(loaded.error().message, "'the LinearRegressor'");
  check_contains(loaded.error().message, "'ai.onnx.ml' 1");
  check_contains(loaded.error().message, "LinearClassifier");
  check_contains(damaged([](auto& m) {
                   node_of(m).set_domain("evil\r\n");
                   m.mutable_opset_import(1)->set_domain("evil\r\n");
                 }),
                 "'evil\\x0d\\x0a'");
}

BOOST_AUTO_TEST_CASE(load_onnx__inputs__checked) {
  const auto shape = [](auto& m) {
    return m.mutable_graph()->mutable_input(0)->mutable_type()->mutable_tensor_type()->mutable_shape();
  };
  const auto type = [](auto& m) { return m.mutable_graph()->mutable_input(0)->mutable_type()->mutable_tensor_type(); };
  check_contains(damaged([&](auto& m) { shape(m)->mutable_dim(1)->set_dim_value(-1); }), "input 'X'");
  check_contains(damaged([&](auto& m) { shape(m)->mutable_dim(1)->set_dim_value(0); }), "input 'X'");
  check_contains(damaged([&](auto& m) { shape(m)->mutable_dim(1)->set_dim_value(std::int64_t{1} << 40); }),
                 "input 'X'");
  check_contains(damaged([&](auto& m) { shape(m)->mutable_dim(1)->set_dim_param("k"); }), "input 'X'");
  check_contains(damaged([&](auto& m) { shape(m)->mutable_dim(0)->set_dim_value(7); }), "7 rows");
  check_contains(damaged([&](auto& m) { shape(m)->add_dim(); }), "input 'X'");
  check_contains(damaged([&](auto& m) { shape(m)->clear_dim(); }), "0 dimensions");
  check_contains(damaged([&](auto& m) { type(m)->set_elem_type(onnx::TensorProto::STRING); }),
                 "its input 0 is string [N, 3], expected numbers");
  check_contains(
      damaged([&](auto& m) { m.mutable_graph()->mutable_input(0)->mutable_type()->mutable_sequence_type(); }),
      "not a tensor");
  check_contains(damaged([&](auto& m) { m.mutable_graph()->clear_input(); }), "no input");
  check_contains(damaged([&](auto& m) { add_input(m, "X", 3); }), "defined twice");
  check_contains(damaged([&](auto& m) { add_input(m, "Z", 1'000'000); }), "more than 1000000 columns");
  check_contains(damaged([&](auto& m) { shape(m)->mutable_dim(1)->set_dim_value(4); }), "coefficients has 3 entries");
}

BOOST_AUTO_TEST_CASE(load_onnx__graph__proven_acyclic_and_defined) {
  check_contains(damaged([](auto& m) { node_of(m).set_input(0, "nowhere"); }), "'nowhere' is defined nowhere");
  check_contains(damaged([](auto& m) { node_of(m).set_input(0, "Y"); }), "a cycle");
  check_contains(damaged([](auto& m) {
                   node_of(m).set_input(0, "B");
                   add_node(m, "Identity", {"Y"}, {"B"}, "");
                 }),
                 "a cycle");
  check_contains(damaged([](auto& m) { add_node(m, "Identity", {"X"}, {"Y"}, ""); }), "'Y' is defined twice");
  check_contains(damaged([](auto& m) { add_node(m, "Identity", {"Y"}, {"X"}, ""); }), "'X' is defined twice");
  check_contains(damaged([](auto& m) { m.mutable_graph()->mutable_output(0)->set_name("Z"); }), "output 'Z'");
  check_contains(damaged([](auto& m) { m.mutable_graph()->clear_output(); }), "no output of numbers");
  check_contains(damaged([](auto& m) { add_output(m, "X"); }), "one too many");
  check_contains(damaged([](auto& m) { node_of(m).add_input("X"); }), "2 inputs");
  check_contains(damaged([](auto& m) { node_of(m).clear_input(); }), "0 inputs");
  check_contains(damaged([](auto& m) { node_of(m).clear_output(); }), "0 outputs");
  check_contains(damaged([](auto& m) { node_of(m).add_output("Y2"); }), "2 outputs");
}

BOOST_AUTO_TEST_CASE(load_onnx__columns_doubled_forty_times__refused) {
  onnx::ModelProto model = regressor();
  std::string last = "X";
  for (int i = 0; i < 40; ++i) {
    const std::string next = "c" + std::to_string(i);
    add_int(add_node(model, "Concat", {last, last}, {next}, ""), "axis", 1);
    last = next;
  }
  check_contains(refusal(model), "too many columns");
}

BOOST_AUTO_TEST_CASE(load_onnx__unused_nodes__do_no_harm) {
  onnx::ModelProto model = regressor();
  add_text(add_node(model, "Normalizer", {"X"}, {"unused"}), "norm", "L2");
  BOOST_TEST(load(model).has_value());
}

BOOST_AUTO_TEST_CASE(load_onnx__attributes__checked) {
  const auto attribute = [](auto& m, int i) { return node_of(m).mutable_attribute(i); };
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float infinity = std::numeric_limits<float>::infinity();
  check_contains(damaged([&](auto& m) { attribute(m, 0)->set_floats(1, nan); }),
                 "coefficients[1] is not a finite number");
  check_contains(damaged([&](auto& m) { attribute(m, 1)->set_floats(0, infinity); }),
                 "intercepts[0] is not a finite number");
  check_contains(damaged([&](auto& m) { attribute(m, 0)->add_floats(1); }), "coefficients has 4 entries");
  check_contains(damaged([&](auto& m) { attribute(m, 0)->clear_floats(); }), "0 coefficients");
  check_contains(damaged([&](auto& m) { attribute(m, 1)->add_floats(1); }), "intercepts has 2 entries");
  check_contains(damaged([&](auto& m) { attribute(m, 0)->set_type(onnx::AttributeProto::INTS); }),
                 "coefficients has type INTS");
  check_contains(damaged([&](auto& m) { attribute(m, 0)->set_ref_attr_name("other"); }), "refers to one of a function");
  check_contains(damaged([&](auto& m) { add_floats(node_of(m), "coefficients", {1}); }), "coefficients is there twice");
  check_contains(damaged([&](auto& m) { add_int(node_of(m), "surprise", 1); }), "'surprise' is not known");
  check_contains(damaged([&](auto& m) { add_int(node_of(m), "targets", -1); }), "targets is -1");
  check_contains(damaged([&](auto& m) { add_int(node_of(m), "targets", 2); }),
                 "coefficients has 3 entries, expected 2 targets");
  check_contains(damaged([&](auto& m) { add_int(node_of(m), "targets", std::int64_t{1} << 62); }), "targets is");
  check_contains(damaged([&](auto& m) { add_text(node_of(m), "post_transform", "RELU"); }),
                 "post_transform is none of");
}

BOOST_AUTO_TEST_CASE(load_onnx__classifier_attributes__checked) {
  const auto refused = [](const std::vector<float>& weights, const std::vector<float>& intercepts,
                          const std::vector<std::int64_t>& classes,
                          const std::string& post) { return refusal(classifier(weights, intercepts, classes, post)); };
  check_contains(refused({1, 2}, {0}, {3}, "NONE"), "one class label");
  check_contains(refused({1, 2}, {0}, {}, "NONE"), "class labels");
  check_contains(refused({1, 2}, {0}, {3, 3}, "NONE"), "'3' is there twice");
  check_contains(refused({1, 2}, {}, {0, 1}, "NONE"), "intercepts has 0 entries");
  check_contains(refused({1, 2}, {0, 1}, {0, 1}, "NONE"), "coefficients has 2 entries");
  check_contains(refused({1, 2, 3, 4}, {0, 1}, {0, 1, 2}, "NONE"), "intercepts has 2 entries for 3 classes");
  check_contains(refused({1, 2}, {0}, {0, 1}, "PROBIT"), "post_transform");
  onnx::ModelProto both = classifier({1, 2}, {0}, {0, 1}, "NONE");
  add_strings(node_of(both), "classlabels_strings", {"a", "b"});
  check_contains(refusal(both), "class labels");
  onnx::ModelProto bytes = classifier({1, 2}, {0}, {}, "NONE");
  add_strings(node_of(bytes), "classlabels_strings", {"a", "b\xff"});
  check_contains(refusal(bytes), "not UTF-8");
}

BOOST_AUTO_TEST_CASE(load_onnx__initializers__checked) {
  const auto bad = [](const std::function<void(onnx::TensorProto&)>& fill) {
    return damaged([&](auto& m) { fill(add_initializer(m)); });
  };
  check_contains(bad([](auto& t) { t.add_dims(-1); }), "dimension -1");
  check_contains(bad([](auto& t) {
                   t.add_dims(std::int64_t{1} << 32);
                   t.add_dims(std::int64_t{1} << 32);
                 }),
                 "more than");
  check_contains(bad([](auto& t) {
                   t.add_dims(2);
                   t.set_raw_data(std::string(7, 'a'));
                 }),
                 "7 bytes of raw_data");
  check_contains(bad([](auto& t) {
                   t.add_dims(2);
                   t.add_float_data(1);
                 }),
                 "1 elements");
  check_contains(bad([](auto& t) {
                   t.add_dims(1);
                   t.add_float_data(1);
                   t.set_raw_data("abcd");
                 }),
                 "both");
  check_contains(bad([](auto& t) {
                   t.add_dims(1);
                   t.add_float_data(std::numeric_limits<float>::quiet_NaN());
                 }),
                 "NaN");
  check_contains(bad([](auto& t) {
                   t.add_dims(1);
                   t.set_raw_data("\x00\x00\x80\x7f"s);
                 }),
                 "infinite");
  check_contains(bad([](auto& t) {
                   t.add_dims(1);
                   t.set_data_type(99);
                 }),
                 "data_type 99");
  check_contains(bad([](auto& t) {
                   t.add_dims(1);
                   t.set_data_location(onnx::TensorProto::EXTERNAL);
                 }),
                 "external data");
  check_contains(bad([](auto& t) { t.add_external_data()->set_key("location"); }), "external data");
  check_contains(bad([](auto& t) { t.mutable_segment(); }), "segment");
  check_contains(bad([](auto& t) {
                   t.add_dims(1);
                   t.add_float_data(1);
                   t.set_name("");
                 }),
                 "no name");
  check_contains(bad([](auto& t) {
                   t.set_data_type(onnx::TensorProto::STRING);
                   t.add_dims(2);
                   t.add_string_data("a");
                 }),
                 "1 strings");
  check_contains(damaged([](auto& m) {
                   for (int i = 0; i < 2; ++i) add_initializer(m).add_float_data(1);
                 }),
                 "twice");
  check_contains(damaged([](auto& m) {
                   add_initializer(m).add_float_data(1);
                   node_of(m).set_input(0, "W");
                 }),
                 "its input 0 is a constant");
  check_contains(damaged([](auto& m) {
                   add_initializer(m).add_float_data(1);
                   node_of(m).set_output(0, "W");
                 }),
                 "'W' is defined twice");
}

BOOST_AUTO_TEST_CASE(load_onnx__initializer_listed_as_input__is_no_feature) {
  onnx::ModelProto model = regressor();
  add_initializer(model).add_float_data(1);
  add_input(model, "W", 1);
  const auto loaded = load(model);
  BOOST_REQUIRE(loaded.has_value());
  BOOST_TEST((*loaded)->graph->number_columns() == 3u);
}

BOOST_AUTO_TEST_CASE(load_onnx__every_file_cut_at_64_places__no_harm) {
  for (const auto& path : example_files()) {
    const std::string file = read_file(path);
    for (std::size_t i = 0; i < 64; ++i) score_if_loaded(file.substr(0, file.size() * i / 64));
  }
}

BOOST_AUTO_TEST_CASE(load_onnx__every_file_with_flipped_bits__no_harm) {
  for (const auto& path : example_files()) {
    const std::string file = read_file(path);
    std::mt19937 random{static_cast<unsigned>(file.size())};
    for (int i = 0; i < 500; ++i) {
      std::string other = file;
      for (unsigned flips = 1 + random() % 3; flips > 0; --flips)
        other[random() % other.size()] ^= static_cast<char>(1u << (random() % 8));
      score_if_loaded(other);
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()
