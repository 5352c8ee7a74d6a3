// load_model: which format is taken for which, and what XGBoost's and LightGBM's files may not say.
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <filesystem>
#include <random>

#include "model/evaluator.hpp"
#include "model/loaded_model.hpp"
#include "tests/model/files.hpp"

using namespace troupe::model;

namespace {

std::filesystem::path golden(const std::string& name) { return TROUPE_SOURCE_DIR "/tests/model/golden/" + name; }

std::string refusal(const std::string& file) {
  const auto loaded = load_model(file);
  return loaded ? "loaded" : loaded.error().message;
}

void check_refused(const std::string& file, const std::string& part) {
  const std::string message = refusal(file);
  BOOST_TEST(message.find(part) != std::string::npos, message << " has no '" << part << "'");
}

// The text of a file with the first `from` replaced.
std::string changed(std::string file, const std::string& from, const std::string& to) {
  const std::size_t at = file.find(from);
  BOOST_REQUIRE_MESSAGE(at != std::string::npos, from);
  return file.replace(at, from.size(), to);
}

// One tree: f0 < 0.5 ? -1 : 1.
const std::string stump = R"({"learner":{"feature_names":[],"feature_types":[],"gradient_booster":{"model":{)"
                          R"("gbtree_model_param":{"num_parallel_tree":"1","num_trees":"1"},"tree_info":[0],"trees":[{)"
                          R"("base_weights":[0,-1,1],"categories":[],"categories_nodes":[],"categories_segments":[],)"
                          R"("categories_sizes":[],"default_left":[0,0,0],"id":0,"left_children":[1,-1,-1],)"
                          R"("right_children":[2,-1,-1],"split_conditions":[0.5,-1,1],"split_indices":[0,0,0],)"
                          R"("split_type":[0,0,0],"tree_param":{"num_nodes":"3","size_leaf_vector":"1"}}]},)"
                          R"("name":"gbtree"},"learner_model_param":{"base_score":"0E0","num_class":"0",)"
                          R"("num_feature":"2","num_target":"1"},"objective":{"name":"reg:squarederror"}},)"
                          R"("version":[3,2,0]})";

const std::string light = "tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nmax_feature_idx=1\n"
                          "objective=regression\nfeature_names=a b\ntree_sizes=1\n\nTree=0\nnum_leaves=2\nnum_cat=0\n"
                          "split_feature=1\nthreshold=0.5\ndecision_type=2\nleft_child=-1\nright_child=-2\n"
                          "leaf_value=-1 1\nis_linear=0\nshrinkage=1\n\n\nend of trees\n";

double score(const std::string& file, std::vector<double> row) {
  const auto loaded = load_model(file);
  BOOST_REQUIRE_MESSAGE(loaded.has_value(), (loaded ? "" : loaded.error().message));
  const evaluator& graph = *(*loaded)->graph;
  BOOST_REQUIRE(graph.number_columns() == row.size());
  auto scratch = graph.make_scratch();
  graph.load(row.data(), nullptr, 1, scratch);
  graph.run(1, scratch);
  return static_cast<double>(*graph.numbers(scratch, 0));
}

std::vector<std::filesystem::path> native_files() {
  std::vector<std::filesystem::path> found;
  for (const auto& entry : std::filesystem::directory_iterator(golden("")))
    if (const auto kind = entry.path().extension(); kind == ".json" || kind == ".ubj" || kind == ".txt")
      if (entry.path().filename().string().starts_with("trees_")) found.push_back(entry.path());
  std::sort(found.begin(), found.end());
  BOOST_REQUIRE(found.size() >= 10u);
  return found;
}

void score_if_loaded(const std::string& file) {
  const auto loaded = load_model(file);
  if (!loaded) {
    BOOST_TEST(!loaded.error().message.empty());
    return;
  }
  const evaluator& graph = *(*loaded)->graph;
  auto scratch = graph.make_scratch();
  const std::vector<double> rows(graph.number_columns() * 20, 0.25);
  graph.load(rows.data(), nullptr, 20, scratch);
  graph.run(20, scratch);
}

} // namespace

BOOST_AUTO_TEST_SUITE(model_loader)

BOOST_AUTO_TEST_CASE(load_model__every_format__taken_for_what_it_is) {
  BOOST_TEST((*load_model(testing::read_file(golden("trees_forest.onnx"))))->graph->steps().size() >= 1u);
  BOOST_TEST((*load_model(testing::read_file(golden("trees_binary.json"))))->name_in_file == "XGBoost gbtree");
  BOOST_TEST((*load_model(testing::read_file(golden("trees_dart.ubj"))))->name_in_file == "XGBoost dart");
  BOOST_TEST((*load_model(testing::read_file(golden("trees_binary.txt"))))->name_in_file == "LightGBM");
}

BOOST_AUTO_TEST_CASE(load_model__other_formats__refused_with_advice) {
  check_refused("\x80\x04pickle", "a Python pickle");
  check_refused("ccopy_reg\n_reconstructor\n", "a Python pickle");
  check_refused("\x78\x9Cjoblib", "zlib data");
  check_refused("BZh91AY", "a bzip2 file");
  check_refused("PK\x03\x04", "a zip archive");
  check_refused("", "empty");
  check_refused("treehouse", "not an ONNX model");
  check_refused(R"({"a":1})", "no XGBoost model");
  check_refused("[1,2]", "not an ONNX model");
}

BOOST_AUTO_TEST_CASE(load_model__too_large__refused) {
  for (const std::string& file : {stump, light}) {
    const auto loaded = load_model(file, {file.size() - 1});
    BOOST_REQUIRE(!loaded.has_value());
    BOOST_TEST(loaded.error().message.find("more than the") != std::string::npos);
  }
}

BOOST_AUTO_TEST_CASE(load_model__native__missing_values_are_the_models_business) {
  for (const std::string& file : {stump, light}) {
    const auto loaded = load_model(file);
    BOOST_REQUIRE(loaded.has_value());
    for (const feature_spec& feature : (*loaded)->features) BOOST_TEST((feature.on_missing == treatment::as_is));
  }
}

BOOST_AUTO_TEST_CASE(xgboost__stump__goes_left_below) {
  BOOST_TEST(score(stump, {0.49, 7}) == -1);
  BOOST_TEST(score(stump, {0.5, 7}) == 1);
  BOOST_TEST(score(stump, {std::nan(""), 7}) == 1);
  const std::string left = changed(stump, R"("default_left":[0)", R"("default_left":[1)");
  BOOST_TEST(score(left, {std::nan(""), 7}) == -1);
  BOOST_TEST(((*load_model(stump))->feature_names() == std::vector<std::string>{"f0", "f1"}));
  BOOST_TEST(score(changed(stump, R"("0E0")", R"("[2.5E-1]")"), {0, 0}) == -0.75);
}

BOOST_AUTO_TEST_CASE(xgboost__no_tree__refused_by_array_and_index) {
  check_refused(changed(stump, "[1,-1,-1]", "[3,-1,-1]"), "trees[0].left_children[0] is 3");
  check_refused(changed(stump, "[1,-1,-1]", "[0,-1,-1]"), "trees[0].left_children[0]: the node is the node itself");
  check_refused(changed(stump, "[1,-1,-1]", "[2,-1,-1]"), "right_children[0]: the node is the child of another node");
  check_refused(changed(stump, "[1,-1,-1]", "[1,-1]"), "has 3 entries, expected 2");
  check_refused(changed(stump, "[1,-1,-1]", "[-1,-1,-1]"), "second root");
  check_refused(changed(stump, R"("split_indices":[0)", R"("split_indices":[2)"),
                "split_indices[0] is 2, expected 0 to 1");
  check_refused(changed(stump, R"("tree_info":[0])", R"("tree_info":[1])"), "tree_info[0] is 1");
  check_refused(changed(stump, "[0.5,-1,1]", "[0.5,-1,1e999]"), "broken at byte");
  check_refused(changed(stump, R"("split_type":[0)", R"("split_type":[1)"), "has no categories");
}

BOOST_AUTO_TEST_CASE(xgboost__parameters__checked) {
  check_refused(changed(stump, "reg:squarederror", "reg:other"), "objective 'reg:other' is not supported");
  check_refused(changed(stump, R"("name":"gbtree")", R"("name":"other")"),
                "booster 'other' of gradient_booster is not supported");
  check_refused(changed(stump, R"("num_feature":"2")", R"("num_feature":"0")"), "num_feature");
  check_refused(changed(stump, R"("num_feature":"2")", R"("num_feature":"1e9")"), "num_feature");
  check_refused(changed(stump, R"("0E0")", R"("[1,2]")"), "base_score");
  check_refused(changed(changed(stump, "reg:squarederror", "count:poisson"), R"("0E0")", R"("-1")"), "has no margin");
  check_refused(stump + "x", "broken at byte");
}

BOOST_AUTO_TEST_CASE(lightgbm__stump__goes_left_at_most) {
  BOOST_TEST(score(light, {7, 0.5}) == -1);
  BOOST_TEST(score(light, {7, 0.50001}) == 1);
  // Missing type none: NaN is 0.
  BOOST_TEST(score(light, {7, std::nan("")}) == -1);
  BOOST_TEST(score(changed(light, "decision_type=2", "decision_type=8"), {7, std::nan("")}) == 1);
  BOOST_TEST(score(changed(light, "decision_type=2", "decision_type=4"), {7, 0}) == 1);
  BOOST_TEST(((*load_model(light))->feature_names() == std::vector<std::string>{"a", "b"}));
}

BOOST_AUTO_TEST_CASE(lightgbm__broken__refused_by_tree_and_index) {
  check_refused(changed(light, "left_child=-1", "left_child=0"), "tree 0: left_child[0]: the node is the node itself");
  check_refused(changed(light, "left_child=-1", "left_child=-2"), "tree 0: right_child[0]: the node is the child of");
  check_refused(changed(light, "left_child=-1", "left_child=1"), "left_child[0] is 1, expected -2 to 0");
  check_refused(changed(light, "split_feature=1", "split_feature=2"), "split_feature[0] is 2");
  check_refused(changed(light, "decision_type=2", "decision_type=12"), "decision_type[0] is 12");
  check_refused(changed(light, "decision_type=2", "decision_type=1"), "threshold[0] is 0.5, which is no categorical");
  check_refused(changed(light, "threshold=0.5", "threshold=nan"), "compares with NaN");
  check_refused(changed(light, "leaf_value=-1 1", "leaf_value=-1 inf"), "leaf_value[1]");
  check_refused(changed(light, "leaf_value=-1 1", "leaf_value=-1"), "leaf_value has 1 entries, expected 2");
  check_refused(changed(light, "is_linear=0", "is_linear=1"), "linear trees");
  check_refused(changed(light, "end of trees", "end"), "tree 1 begins with 'end'");
  check_refused(changed(light, "objective=regression", "objective=new"), "objective 'new'");
  check_refused(changed(light, "feature_names=a b", "feature_names=a"), "feature_names has 1 entries");
  check_refused(changed(light, "feature_names=a b", "feature_names=a a"), "twice");
}

BOOST_AUTO_TEST_CASE(load_model__every_native_file_cut_at_64_places__refused) {
  for (const auto& path : native_files()) {
    const std::string file = testing::read_file(path);
    for (std::size_t i = 0; i < 64; ++i) score_if_loaded(file.substr(0, file.size() * i / 64));
  }
}

BOOST_AUTO_TEST_CASE(load_model__every_native_file_with_flipped_bits__no_harm) {
  for (const auto& path : native_files()) {
    const std::string file = testing::read_file(path);
    std::mt19937 random{static_cast<unsigned>(file.size())};
    for (int i = 0; i < 200; ++i) {
      std::string other = file;
      for (unsigned flips = 1 + random() % 3; flips > 0; --flips)
        other[random() % other.size()] ^= static_cast<char>(1u << (random() % 8));
      score_if_loaded(other);
    }
  }
}

BOOST_AUTO_TEST_CASE(xgboost__leaves_that_share_their_weights__refused) {
  std::string file = changed(stump, R"("size_leaf_vector":"1")", R"("size_leaf_vector":"2")");
  file = changed(file, R"("num_target":"1")", R"("num_target":"2")");
  file = changed(file, R"("right_children":[2,-1,-1])", R"("right_children":[2,0,0],"leaf_weights":[1,2])");
  check_refused(file, "fewer weights than the tree's leaves need");
}

BOOST_AUTO_TEST_SUITE_END()
