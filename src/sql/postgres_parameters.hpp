#pragma once
// The parameters of a statement as libpq takes them, in binary; and how one statement asks with many sets of them. For
// the PostgreSQL driver.

#include "sql/database.hpp"

#include <array>

namespace slipway::sql {

// PostgreSQL's numbers of its types (pg_type.dat); they never change.
constexpr unsigned type_bool = 16, type_bytea = 17, type_int8 = 20, type_int2 = 21, type_int4 = 23, type_text = 25;

class PostgresParameters {
public:
  static constexpr std::size_t count_max = 12;
  using Set = std::span<const Parameter>;

  /// Text and bytes are borrowed. The type of a NULL is for the server to find out. Throws StatementFailed for a value
  /// of 1 GiB or more.
  explicit PostgresParameters(Set set);
  /// For text_of_many(): an array of each parameter, with its values in all sets. These have the same types, and no
  /// NULL.
  explicit PostgresParameters(std::span<const Set> sets);

  PostgresParameters(const PostgresParameters&) = delete;  // it points at itself
  PostgresParameters& operator=(const PostgresParameters&) = delete;

  int count() const { return m_count; }
  const unsigned* types() const { return m_types.data(); }
  const char* const* values() const { return m_values.data(); }
  const int* lengths() const { return m_lengths.data(); }
  const int* formats() const { return m_formats.data(); }

private:
  void put_value(std::size_t at, unsigned type, std::string_view value);

  const int m_count;
  std::array<unsigned, count_max> m_types{};
  std::array<const char*, count_max> m_values{};
  std::array<int, count_max> m_lengths{};
  std::array<int, count_max> m_formats{};
  std::array<std::array<char, 8>, count_max> m_numbers{};
  std::vector<std::string> m_arrays;
};

/// A SELECT that gives the rows of `text`, itself a SELECT with so many parameters, for each set of them, with one more
/// column at the end: the place of the set, from 1. It makes the plan that `text` has, once for all of them. A '$'
/// stands only before a parameter's number.
std::string text_of_many(std::string_view text, std::size_t parameters);

/// Numbers come and go with their most significant byte first.
std::int64_t number_of(ByteView bytes);

}  // namespace slipway::sql
