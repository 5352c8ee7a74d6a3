// How often features were treated, as metrics.
#include <boost/test/unit_test.hpp>

#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "actors/feature_metrics.hpp"

using namespace troupe;

namespace {

// The games model, to which features may be missing.
std::shared_ptr<const model::scoring_plan> make_plan() {
  std::ifstream in(TROUPE_SOURCE_DIR "/examples/games.onnx", std::ios::binary);
  const std::string file{std::istreambuf_iterator<char>(in), {}};
  auto loaded = model::load_onnx(file);
  BOOST_REQUIRE(loaded.has_value());
  auto lenient = std::make_shared<model::loaded_model>(**loaded);
  for (model::feature_spec& feature : lenient->features) {
    feature.on_missing = model::treatment::replace;
    feature.missing_number = 0;
    feature.high = 100;
  }
  auto plan = model::scoring_plan::make(lenient, {});
  BOOST_REQUIRE(plan.has_value());
  return *plan;
}

void score(const std::shared_ptr<const model::scoring_plan>& plan, const std::string& row) {
  const auto end = static_cast<std::uint32_t>(row.size());
  model::outcome_block out;
  model::scoring_session{plan}.score(row, {&end, 1}, out);
  BOOST_REQUIRE(out.codes.at(0) == 0);
}

double counted(prometheus::Registry& registry, const std::string& feature, const std::string& treatment) {
  double sum = 0;
  for (const auto& family : registry.Collect()) {
    if (family.name != "troupe_feature_treatments_total") continue;
    for (const auto& metric : family.metric) {
      std::map<std::string, std::string> labels;
      for (const auto& label : metric.label) labels[label.name] = label.value;
      BOOST_TEST(labels["pipeline"] == "games");
      BOOST_TEST(labels["model"] == "m");
      BOOST_TEST(labels["version"] == "3");
      if (labels["feature"] == feature && labels["treatment"] == treatment) sum += metric.counter.value;
    }
  }
  return sum;
}

} // namespace

BOOST_AUTO_TEST_SUITE(feature_metrics)

BOOST_AUTO_TEST_CASE(look_at__adds_what_is_new) {
  prometheus::Registry registry;
  troupe::feature_metrics metrics{registry};
  auto plan = make_plan();
  const auto look = [&] { metrics.look_at("games", "m", model_version{3}, plan); };
  look();
  BOOST_TEST(counted(registry, "G1", "missing") == 0);
  score(plan, R"({"G2":null,"G3":101})");
  look();
  look();
  BOOST_TEST(counted(registry, "G1", "missing") == 1);
  BOOST_TEST(counted(registry, "G2", "null") == 1);
  BOOST_TEST(counted(registry, "G2", "missing") == 0);
  BOOST_TEST(counted(registry, "G3", "out_of_range") == 1);
  score(plan, "{}");
  look();
  BOOST_TEST(counted(registry, "G1", "missing") == 2);
  // Loaded again, its plan counts from 0 on, and the metric goes on.
  plan = make_plan();
  look();
  score(plan, "{}");
  look();
  BOOST_TEST(counted(registry, "G1", "missing") == 3);
}

BOOST_AUTO_TEST_SUITE_END()
