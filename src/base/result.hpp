#pragma once
// What a caller can handle comes back as a value: Result<T> is std::expected with one Error type for the whole
// program. What ends an operation wholesale (a broken invariant, a failed SQL statement inside a transaction) is thrown
// and caught at one boundary, which is named where it is thrown.

#include <expected>
#include <string>
#include <utility>

namespace slipway {

/// Why something failed, in the few ways that a caller may want to tell apart.
enum class Failure {
  not_found,     ///< the thing named does not exist
  invalid,       ///< the input breaks a rule; asking again will not help
  conflict,      ///< it exists already, or somebody else changed it first
  denied,        ///< not allowed
  too_large,     ///< a limit on size, count or depth was passed
  out_of_range,  ///< an offset or range that does not fit the present state
  read_only,     ///< the server or the store accepts no writes now
  no_space,      ///< the disk or the quota is full
  busy,          ///< a bounded resource is taken; worth trying again later
  unavailable,   ///< a service that is needed does not answer, or not us; worth trying again later
  corrupt,       ///< stored bytes are not what they should be
  io,            ///< the operating system or a service refused
};

/// The name used in logs and JSON ("not_found").
const char* name_of(Failure failure);

/// A failure and one sentence that says what happened, to which name, and what to do about it.
struct Error {
  Failure failure = Failure::io;
  std::string message;

  /// The same failure with `while` put in front: "reading tag x: no such file".
  Error during(std::string_view step) const;
};

template <typename T = void>
using Result = std::expected<T, Error>;

/// Shorthand to return a failure: `return fail(Failure::not_found, "no tag …")`.
inline std::unexpected<Error> fail(Failure failure, std::string message) {
  return std::unexpected(Error{failure, std::move(message)});
}

/// A failure made of `errno`: ENOSPC and EDQUOT are no_space, EROFS read_only, ENOENT not_found, the rest io.
Error errno_error(int number, std::string_view step);
inline std::unexpected<Error> fail_errno(int number, std::string_view step) {
  return std::unexpected(errno_error(number, step));
}

/// Ends the process with the place and the sentence, in release builds too. For broken invariants, never for input.
[[noreturn]] void invariant_broken(const char* file, int line, const char* what);

}  // namespace slipway

#define SLIPWAY_INVARIANT(condition)                                                                                   \
  ((condition) ? static_cast<void>(0) : ::slipway::invariant_broken(__FILE__, __LINE__, #condition))

#define SLIPWAY_CONCAT2(a, b) a##b
#define SLIPWAY_CONCAT(a, b) SLIPWAY_CONCAT2(a, b)

/// Returns the error of `expression` to the caller, if it is one.
#define TRY(expression)                                                                                                \
  do {                                                                                                                 \
    if (auto tried = (expression); !tried) [[unlikely]]                                                                \
      return std::unexpected(std::move(tried).error());                                                                \
  } while (false)

/// `TRY_ASSIGN(auto x, f());`: x is the value, or the error goes to the caller.
#define TRY_ASSIGN(variable, expression) TRY_ASSIGN2(SLIPWAY_CONCAT(tried_, __LINE__), variable, expression)
#define TRY_ASSIGN2(temporary, variable, expression)                                                                   \
  auto temporary = (expression);                                                                                       \
  if (!temporary) [[unlikely]]                                                                                         \
    return std::unexpected(std::move(temporary).error());                                                              \
  variable = *std::move(temporary)
