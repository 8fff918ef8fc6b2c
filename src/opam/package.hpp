#pragma once
// What a package's opam file says, as far as publishing needs it: its sources, and what a list of packages tells of it.
// Follows opam's manual (doc/pages/Manual.md, "opam") and opamFile.ml.

#include "opam/syntax.hpp"

#include <compare>
#include <optional>

namespace slipway::opam {

/// Of a source, by one of the algorithms of opamHash.ml.
struct Checksum {
  /// In order of strength; the numbers are stored: never renumber.
  enum class Kind : std::uint8_t { md5 = 1, sha256 = 2, sha512 = 3 };
  Kind kind = Kind::md5;
  std::string hex;  ///< in small letters

  auto operator<=>(const Checksum&) const = default;

  /// "sha256=…"; an unnamed one of 32 digits is MD5. Nothing for anything else.
  static std::optional<Checksum> parse(std::string_view text);
  /// "sha256=…"
  std::string text() const;
  /// Where a cache has it: "sha256/0a/0a1b…".
  std::string cache_path() const;
};

std::string_view name_of(Checksum::Kind kind);
std::optional<Checksum::Kind> checksum_kind_named(std::string_view name);
/// Of its hexadecimal text.
std::size_t hex_size_of(Checksum::Kind kind);

/// One thing to be fetched.
struct Source {
  std::string extra_name;         ///< of an extra source; empty for the package's own
  std::vector<std::string> urls;  ///< where it comes from, then its mirrors
  std::vector<Checksum> checksums;
  bool is_archive = true;  ///< else it is a version control system's, which no cache has

  /// A cache can have it.
  bool is_cacheable() const { return is_archive && !checksums.empty() && !urls.empty(); }
};

/// A package of a repository, by the path of its file.
struct PackageName {
  std::string name;
  std::string version;
  auto operator<=>(const PackageName&) const = default;

  /// "NAME.VERSION", as opam has it.
  std::string text() const { return name + "." + version; }
};

/// Of "packages/NAME/NAME.VERSION/opam", as it is everywhere, or any other folder NAME.VERSION below packages/, where
/// opam finds one as well (OpamPackage.prefixes); nothing for any other path.
std::optional<PackageName> package_of_path(std::string_view path);

struct Package {
  std::string synopsis;
  std::vector<std::string> tags;
  std::vector<Source> sources;
  std::vector<std::string> dependencies;  ///< names, each once, in byte order
  std::vector<std::string> options;       ///< depopts, likewise
  bool is_available = true;               ///< false where it says `available: false`
  std::vector<std::string> problems;      ///< sentences: what of its sources cannot be used
};

/// What opam passes over is passed over here: fields of a wrong type, and fields that come twice.
Package read_package(std::span<const Item> items);

/// The strings of a value: itself, or of a list, without what options say of them.
std::vector<std::string> strings_of(const Value* value);

}  // namespace slipway::opam
