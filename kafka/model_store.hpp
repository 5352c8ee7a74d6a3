#pragma once
// Contents of models in the models topic: model_store of cluster/ports.hpp. INTERNAL to kafka/; others use
// make_model_store.
//
// A content is cut into chunks of `chunk_bytes`, one record each in partition 0, with the key "<sha256>/<index>". Two
// pushers may write at the same time, so the chunks of one content need not follow each other: get() reads on from the
// first and picks what carries its sha256. The first record of an index counts; it doesn't matter whose it is, since
// the whole is checked by sha256 in the end.
//
// One thread at a time; every call blocks up to its limit, and opens a client only for its own length: models are
// pushed and loaded rarely, and an idle client costs threads.

#include <memory>
#include <string>
#include <vector>

#include "cluster/ports.hpp"
#include "kafka/control_ports.hpp"
#include "kafka/deadline.hpp"
#include "kafka/handle.hpp"

namespace troupe::kafka {

class kafka_model_store final : public model_store {
public:
  static constexpr std::size_t chunk_bytes = 256 * 1024;

  kafka_model_store(kafka_properties user, std::string topic, std::size_t content_bytes_max, milliseconds fetch_wait,
                    stop_flag stop)
      : user_(std::move(user))
      , topic_(std::move(topic))
      , content_bytes_max_(content_bytes_max)
      , fetch_wait_(fetch_wait)
      , stop_(std::move(stop)) {}

  /// errc::invalid: it is empty, larger than the cap, or not what `sha256` says. Failed half-way, what was written
  /// stays in the topic and harms nobody: no location names it.
  result<blob_location> put(std::span<const char> content, const std::string& sha256, milliseconds limit) override;
  /// errc::not_found: chunks are missing. errc::conflict: they are there, but not with this length or sha256.
  result<std::vector<char>> get(const blob_location& where, milliseconds limit) override;

private:
  bool told_to_stop() const { return stop_ && *stop_; }
  result<handle_ptr> open_producer(struct upload& state) const;
  result<handle_ptr> open_reader(std::int64_t first_offset) const;

  const kafka_properties user_;
  const std::string topic_;
  const std::size_t content_bytes_max_;
  const milliseconds fetch_wait_;
  const stop_flag stop_;
};

/// Lower-case hex, 64 characters.
std::string sha256_of(std::span<const char> content);

} // namespace troupe::kafka
