#include "kafka/topic_catalog.hpp"

#include <optional>
#include <thread>

#include <fmt/format.h>

#include "kafka/control_ports.hpp"

namespace troupe::kafka {
namespace {

constexpr milliseconds retry_after{50};
constexpr milliseconds request_limit{5000};

using metadata_ptr = std::unique_ptr<const struct rd_kafka_metadata, c_deleter<rd_kafka_metadata_destroy>>;

} // namespace

result<std::unique_ptr<topic_catalog>> make_topic_catalog(const kafka_properties& user) {
  auto catalog = kafka_topic_catalog::open(user);
  if (!catalog) return tl::make_unexpected(catalog.error());
  return std::move(*catalog);
}

result<std::unique_ptr<kafka_topic_catalog>> kafka_topic_catalog::open(const kafka_properties& user) {
  auto client = open_client(role::consumer, user, {{"allow.auto.create.topics", "false"}});
  if (!client) return tl::make_unexpected(client.error());
  return std::unique_ptr<kafka_topic_catalog>(new kafka_topic_catalog(std::move(*client)));
}

result<std::vector<topic_info>> kafka_topic_catalog::find(std::span<const std::string> names, milliseconds limit) {
  const deadline until(limit);
  // The embedded broker creates what is asked for by name, whatever the request says. It has few topics, so ask for
  // them all; a real Kafka can have tens of thousands.
  if (is_embedded(client_.get(), until.left())) return find_among_all(names, until);
  std::vector<topic_info> found;
  for (const auto& name : names) {
    auto one = find_one(name, until);
    if (!one) return tl::make_unexpected(one.error());
    if (*one) found.push_back(std::move(**one));
  }
  return found;
}

result<std::vector<topic_info>> kafka_topic_catalog::find_among_all(std::span<const std::string> names,
                                                                    const deadline& until) {
  const struct rd_kafka_metadata* raw = nullptr;
  const auto code = rd_kafka_metadata(client_.get(), 1, nullptr, &raw, until.left_ms());
  const metadata_ptr metadata(raw);
  if (code != RD_KAFKA_RESP_ERR_NO_ERROR) return tl::make_unexpected(make_error(code, "can't list the topics"));
  std::vector<topic_info> found;
  for (const auto& name : names)
    for (int i = 0; i < metadata->topic_cnt; ++i)
      if (const auto& topic = metadata->topics[i]; topic.topic == name && topic.err == RD_KAFKA_RESP_ERR_NO_ERROR)
        found.push_back({name, topic.partition_cnt});
  return found;
}

result<std::optional<topic_info>> kafka_topic_catalog::find_one(const std::string& name, const deadline& until) {
  const topic_ptr topic(rd_kafka_topic_new(client_.get(), name.c_str(), nullptr));
  if (!topic)
    return tl::make_unexpected(
        make_error(rd_kafka_last_error(), fmt::format("can't ask for topic \"{}\"", printable(name))));
  for (;;) {
    const struct rd_kafka_metadata* raw = nullptr;
    auto code = rd_kafka_metadata(client_.get(), 0, topic.get(), &raw, until.left_ms(request_limit));
    const metadata_ptr metadata(raw);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR && metadata->topic_cnt != 1) return std::nullopt;
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) code = metadata->topics[0].err;
    switch (code) {
    case RD_KAFKA_RESP_ERR_NO_ERROR:
      return topic_info{name, metadata->topics[0].partition_cnt};
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
      return std::nullopt;
    default:
      break;
    }
    const bool retriable = kind_of(code) == errc::unavailable || kind_of(code) == errc::timeout;
    if (!retriable || until.left() <= retry_after)
      return tl::make_unexpected(make_error(code, fmt::format("can't look up topic \"{}\"", printable(name))));
    std::this_thread::sleep_for(retry_after);
  }
}

result<void> require_topic(const kafka_properties& user, const std::string& name, milliseconds limit) {
  auto catalog = kafka_topic_catalog::open(user);
  if (!catalog) return tl::make_unexpected(catalog.error());
  auto found = (*catalog)->find(std::span(&name, 1), limit);
  if (!found) return tl::make_unexpected(found.error());
  if (found->empty())
    return fail(errc::not_found,
                fmt::format("topic \"{}\" does not exist; it has to be created before it is written", name));
  return {};
}

} // namespace troupe::kafka
