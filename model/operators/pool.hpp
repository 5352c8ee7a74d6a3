#pragma once
// The largest, or the mean, of windows that lie within the image. A header, since convolutions take it in
// (model/fuse.hpp).

#include "model/operators/windows.hpp"

namespace troupe::model {

class pool_within final : public operation {
public:
  enum class takes { largest, mean };
  /// REQUIRES: no padding is in any window.
  pool_within(sliding how, takes what)
      : how_(how)
      , what_(what) {}
  void run(std::span<const cells_in> in, std::span<const cells_out> out) const override;
  /// One image: `channels` channels, `channel_cells` apart, their rows `row_cells` apart. All channel_cells of each can
  /// be read.
  void run(const float* from, std::size_t channels, std::size_t row_cells, std::size_t channel_cells, float* to) const;
  const sliding& how() const { return how_; }
  bool is_max() const { return what_ == takes::largest; }

private:
  sliding how_;
  takes what_;
};

} // namespace troupe::model
