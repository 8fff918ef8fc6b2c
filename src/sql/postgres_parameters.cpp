#include "sql/postgres_parameters.hpp"

#include <fmt/format.h>

namespace slipway::sql {
namespace {

constexpr unsigned type_bytea_array = 1001, type_text_array = 1009, type_int8_array = 1016;

template <typename Number>
void put(std::string& out, Number number) {
  for (std::size_t i = sizeof number; i-- > 0;)
    out += static_cast<char>(static_cast<std::make_unsigned_t<Number>>(number) >> (8 * i));
}

/// What a value is in binary; a number's bytes are written to `room`.
struct Value {
  unsigned type, array_type;
  std::string_view bytes;
};

Value value_of(const Parameter& parameter, std::array<char, 8>& room) {
  if (const auto* number = std::get_if<std::int64_t>(&parameter)) {
    for (std::size_t i = 0; i < room.size(); ++i)
      room[i] = static_cast<char>(static_cast<std::uint64_t>(*number) >> (56 - 8 * i));
    return {type_int8, type_int8_array, {room.data(), room.size()}};
  }
  if (const auto* text = std::get_if<std::string_view>(&parameter)) return {type_text, type_text_array, *text};
  if (const auto* bytes = std::get_if<ByteView>(&parameter)) return {type_bytea, type_bytea_array, as_text(*bytes)};
  return {0, 0, {}};
}

/// As array_recv() of PostgreSQL's arrayfuncs.c takes it: one dimension, no NULL.
std::string array_of(std::span<const PostgresParameters::Set> sets, std::size_t at, unsigned& array_type) {
  std::string out;
  std::array<char, 8> room{};
  for (const auto& set : sets) {
    const auto value = value_of(set[at], room);
    SLIPWAY_INVARIANT(value.type != 0 && set[at].index() == sets.front()[at].index());
    if (out.empty()) {
      for (const auto head : {std::int32_t{1}, std::int32_t{0}, static_cast<std::int32_t>(value.type),
                              static_cast<std::int32_t>(sets.size()), std::int32_t{1}})
        put(out, head);
      array_type = value.array_type;
    }
    put(out, static_cast<std::int32_t>(value.bytes.size()));
    out += value.bytes;
  }
  return out;
}

}  // namespace

PostgresParameters::PostgresParameters(Set set) : m_count(static_cast<int>(set.size())) {
  SLIPWAY_INVARIANT(set.size() <= count_max);
  m_formats.fill(1);
  for (std::size_t at = 0; at < set.size(); ++at) {
    if (std::holds_alternative<std::nullptr_t>(set[at])) continue;
    const auto value = value_of(set[at], m_numbers.at(at));
    put_value(at, value.type, value.bytes);
  }
}

PostgresParameters::PostgresParameters(std::span<const Set> sets) : m_count(static_cast<int>(sets.front().size())) {
  SLIPWAY_INVARIANT(sets.front().size() <= count_max);
  m_formats.fill(1);
  m_arrays.resize(sets.front().size());
  for (std::size_t at = 0; at < m_arrays.size(); ++at) {
    unsigned type = 0;
    m_arrays[at] = array_of(sets, at, type);
    put_value(at, type, m_arrays[at]);
  }
}

void PostgresParameters::put_value(std::size_t at, unsigned type, std::string_view value) {
  constexpr std::size_t value_max = 1U << 30;  // what PostgreSQL keeps in one column
  if (value.size() >= value_max) throw StatementFailed({Failure::too_large, "a value of 1 GiB or more cannot be kept"});
  m_types.at(at) = type;
  m_values.at(at) = value.data() ? value.data() : "";
  m_lengths.at(at) = static_cast<int>(value.size());
}

std::string text_of_many(std::string_view text, std::size_t parameters) {
  std::string arrays, names, each;
  for (std::size_t i = 1; i <= parameters; ++i) {
    arrays += fmt::format("{}${}", i > 1 ? ", " : "", i);
    names += fmt::format("p{}, ", i);
  }
  for (const char c : text) c == '$' ? each += "asked.p" : each += c;
  // Whoever numbers the sets has to be first; and OFFSET keeps the SELECT a plan of its own, as it is without them.
  return fmt::format(
      "SELECT answer.*, asked.place FROM unnest({}) WITH ORDINALITY AS asked({}place) CROSS JOIN LATERAL "
      "({} OFFSET 0) AS answer",
      arrays, names, each);
}

std::int64_t number_of(ByteView bytes) {
  std::uint64_t out = !bytes.empty() && (bytes[0] & std::byte{0x80}) != std::byte{} ? ~std::uint64_t{0} : 0;
  for (const auto byte : bytes) out = out << 8 | std::to_integer<std::uint64_t>(byte);
  return static_cast<std::int64_t>(out);
}

}  // namespace slipway::sql
