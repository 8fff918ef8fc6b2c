#include "blob/copy_mark.hpp"

#include "base/random.hpp"

#include <optional>

namespace slipway::blob {
namespace {

constexpr const char* mark_name = "copy.id";
constexpr const char* store_name = "store.id";
constexpr std::size_t identity_digits = 32;

Result<std::optional<std::string>> find(Objects& root, const char* name) {
  auto text = root.get(name);
  if (text) return std::optional(std::move(*text));
  if (text.error().failure == Failure::not_found) return std::optional<std::string>();
  return std::unexpected(text.error());
}

}  // namespace

std::unexpected<Error> no_store(const std::string& place, bool is_copy) {
  if (is_copy)
    return fail(Failure::invalid, place + " is a copy of a store that is not finished: 'slipway store copy --finish' "
                                          "makes a store of it");
  return fail(Failure::invalid,
              place + " is not a Slipway store (no store.id) and not empty: choose another place for one");
}

Result<CopyMark> CopyMark::begin(Objects& root, const std::string& place, const std::string& original,
                                 const std::function<Result<bool>()>& is_unused) {
  CopyMark mark(root, original);
  TRY_ASSIGN(const auto text, find(root, mark_name));
  TRY_ASSIGN(const auto identity, find(root, store_name));
  if (identity) mark.m_identity = identity->substr(0, identity_digits);
  if (!text) {
    if (identity) return fail(Failure::conflict, place + " holds a store already: a copy needs a place of its own");
    TRY_ASSIGN(const bool unused, is_unused());
    if (!unused) return no_store(place, false);
    TRY(mark.write());
    return mark;
  }
  std::string_view left = *text;
  const auto next_line = [&] {
    const auto end = std::min(left.find('\n'), left.size());
    const auto line = left.substr(0, end);
    left.remove_prefix(std::min(end + 1, left.size()));
    return std::string(line);
  };
  if (const auto known = next_line(); known != original)
    return fail(Failure::conflict, place + " is being made a copy of store " + known + ", this is store " + original +
                                       ": choose another place");
  while (!left.empty()) mark.m_damaged_packs.insert(next_line());
  return mark;
}

Result<> CopyMark::write() {
  auto text = m_original + "\n";
  for (const auto& pack : m_damaged_packs) text += pack + "\n";
  return m_root->put(mark_name, text);
}

Result<> CopyMark::set_damaged_packs(std::set<std::string> packs) {
  if (packs == m_damaged_packs) return {};
  m_damaged_packs = std::move(packs);
  return write();
}

Result<> CopyMark::become(const std::string& identity) {
  TRY(m_root->put(store_name, identity + "\n"));
  m_identity = identity;
  return {};
}

Result<> CopyMark::finish_as_original(const std::function<Result<>()>& settle) {
  TRY(become(m_original));
  TRY(settle());
  return m_root->remove(mark_name);
}

Result<> CopyMark::finish(const std::function<Result<>(const std::string&)>& pair) {
  if (m_identity.empty()) TRY(become(random_hex(identity_digits / 2)));
  TRY(pair(m_identity));
  return m_root->remove(mark_name);
}

}  // namespace slipway::blob
