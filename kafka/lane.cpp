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
    auto opened_source = make_source({settings.properties, topics.group_id, settings.embedded, topics.source_topics});
    if (!opened_source) return tl::make_unexpected(opened_source.error());
    ports.source = std::move(*opened_source);
    if (topics.transactional_id.empty()) {
      auto opened = make_sink(sink);
      if (!opened) return tl::make_unexpected(opened.error());
      ports.sink = std::move(*opened);
    } else {
      auto opened =
          make_transactional_sink(sink, topics.transactional_id, topics.group_id, topics.source_topics.front());
      if (!opened) return tl::make_unexpected(opened.error());
      ports.sink = std::move(opened->sink);
      ports.transaction = std::move(opened->transaction);
    }
    return ports;
  };
}

} // namespace troupe::kafka
