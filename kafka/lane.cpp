#include "kafka/lane.hpp"

#include "kafka/source.hpp"

namespace troupe::kafka {

lane_factory make_lane_factory(lane_settings settings, topic_limits_provider limits) {
  return [settings = std::move(settings), limits = std::move(limits)](const lane_topics& topics) -> result<lane_ports> {
    sink_settings sink{settings.properties, topics.output_topic, topics.dead_letter_topic, {}, {}};
    auto output = limits(topics.output_topic);
    if (!output) return tl::make_unexpected(output.error());
    sink.output = *output;
    if (!topics.dead_letter_topic.empty()) {
      auto dead_letter = limits(topics.dead_letter_topic);
      if (!dead_letter) return tl::make_unexpected(dead_letter.error());
      sink.dead_letter = *dead_letter;
    }
    lane_ports ports;
    auto opened_source = make_source({settings.properties, topics.group_id, settings.embedded});
    if (!opened_source) return tl::make_unexpected(opened_source.error());
    auto opened_sink = make_sink(sink);
    if (!opened_sink) return tl::make_unexpected(opened_sink.error());
    ports.source = std::move(*opened_source);
    ports.sink = std::move(*opened_sink);
    return ports;
  };
}

} // namespace troupe::kafka
