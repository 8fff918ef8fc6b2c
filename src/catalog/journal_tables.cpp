#include "catalog/journal_tables.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>

namespace slipway::catalog {
namespace {

using As = JournalColumn::As;

/// What a table is, before its statements are made.
struct Plan {
  std::string_view name;
  int entity;  // stored in change.entity, by the triggers of the schema: never renumber
  std::vector<JournalColumn> columns;
  std::vector<std::string_view> primary_key;
  /// A column of the table, and the one of `change` that has its value.
  std::vector<std::pair<std::string_view, std::string_view>> change_key;
  std::vector<std::string_view> other_name = {};
  std::string_view condition = "";
};

const JournalColumn& column_named(const Plan& plan, std::string_view name) {
  return *std::ranges::find(plan.columns, name, &JournalColumn::name);
}

JournalTable table_of(const Plan& plan) {
  JournalTable out{
      .name = plan.name, .columns = plan.columns, .primary_key = plan.primary_key, .other_name = plan.other_name};
  std::vector<std::string> columns;
  std::vector<std::string> qualified;
  std::vector<std::string> keys;
  std::vector<std::string> same;
  for (const auto& column : plan.columns) {
    columns.push_back(fmt::format("\"{}\"", column.name));  // offset is a word of PostgreSQL's
    qualified.push_back(fmt::format("t.\"{}\"", column.name));
  }
  for (const auto& [column, change] : plan.change_key) {
    out.change_key.push_back(column_named(plan, column));
    keys.emplace_back(change);
    same.push_back(fmt::format("t.{} = c.{}", column, change));
  }
  const auto changed = fmt::format("(SELECT DISTINCT {} FROM change WHERE entity = {} AND sequence > $1) c",
                                   fmt::join(keys, ", "), plan.entity);
  out.select_all =
      fmt::format("SELECT {} FROM {}{}{} ORDER BY {}", fmt::join(columns, ", "), plan.name,
                  plan.condition.empty() ? "" : " WHERE ", plan.condition, fmt::join(plan.primary_key, ", "));
  out.select_present = fmt::format("SELECT {} FROM {} JOIN {} t ON {}", fmt::join(qualified, ", "), changed, plan.name,
                                   fmt::join(same, " AND "));
  // Where a key names several rows, those that are there do not tell which are not.
  const bool is_one_row = plan.change_key.size() == plan.primary_key.size();
  out.select_gone = fmt::format("SELECT c.{} FROM {}", fmt::join(keys, ", c."), changed);
  if (is_one_row)
    out.select_gone +=
        fmt::format(" WHERE NOT EXISTS (SELECT 1 FROM {} t WHERE {})", plan.name, fmt::join(same, " AND "));
  return out;
}

std::vector<Plan> plans() {
  return {
      {.name = "setting",
       .entity = 1,
       .columns = {{"name", As::text}, {"value", As::text}},
       .primary_key = {"name"},
       .change_key = {{"name", "name"}},
       .condition = "name NOT IN ('token_key', 'next_location')"},
      {.name = "repository",
       .entity = 2,
       .columns = {{"id"}, {"name", As::text}, {"kind", As::text}, {"created_at"}},
       .primary_key = {"id"},
       .change_key = {{"id", "id"}},
       .other_name = {"name"}},
      {.name = "blob",
       .entity = 3,
       .columns = {{"id"}, {"size"}, {"created_at"}},
       .primary_key = {"id"},
       .change_key = {{"id", "id"}}},
      {.name = "manifest",
       .entity = 7,
       .columns = {{"id"},
                   {"bytes", As::utf8},
                   {"artifact_type", As::text},
                   {"subject"},
                   {"annotations", As::text},
                   {"created_at"}},
       .primary_key = {"id"},
       .change_key = {{"id", "id"}}},
      {.name = "digest",
       .entity = 4,
       .columns = {{"id"}, {"algorithm"}, {"value", As::hex}, {"blob"}, {"manifest"}},
       .primary_key = {"id"},
       .change_key = {{"id", "id"}},
       .other_name = {"algorithm", "value"}},
      {.name = "edge",
       .entity = 7,  // they come and go with their manifest
       .columns = {{"manifest"}, {"ordinal"}, {"kind"}, {"digest"}, {"media_type", As::text}, {"size"}},
       .primary_key = {"manifest", "ordinal"},
       .change_key = {{"manifest", "id"}}},
      {.name = "location",
       .entity = 5,
       .columns =
           {{"id"}, {"blob"}, {"store", As::text}, {"kind"}, {"key", As::text}, {"offset"}, {"length"}, {"state"}},
       .primary_key = {"id"},
       .change_key = {{"id", "id"}}},
      {.name = "membership",
       .entity = 6,
       .columns = {{"repository"}, {"blob"}, {"since"}},
       .primary_key = {"repository", "blob"},
       .change_key = {{"repository", "id"}, {"blob", "other"}}},
      {.name = "repository_manifest",
       .entity = 8,
       .columns = {{"repository"},
                   {"manifest"},
                   {"media_type", As::text},
                   {"pushed_at"},
                   {"pushed_by", As::text},
                   {"subject"},
                   {"artifact_type", As::text}},
       .primary_key = {"repository", "manifest"},
       .change_key = {{"repository", "id"}, {"manifest", "other"}}},
      {.name = "tag",
       .entity = 9,
       .columns = {{"repository"}, {"name", As::text}, {"manifest"}, {"digest"}, {"updated_at"}},
       .primary_key = {"repository", "name"},
       .change_key = {{"repository", "id"}, {"name", "name"}}},
      {.name = "tag_history",
       .entity = 10,
       .columns = {{"id"},
                   {"repository", As::text},
                   {"name", As::text},
                   {"at"},
                   {"who", As::text},
                   {"digest", As::text},
                   {"event", As::text}},
       .primary_key = {"id"},
       .change_key = {{"id", "id"}}},
      {.name = "cache_entry",
       .entity = 11,
       .columns = {{"repository"}, {"key", As::text}, {"blob"}, {"digest"}, {"used_at", As::integer, true}},
       .primary_key = {"repository", "key"},
       .change_key = {{"repository", "id"}, {"key", "name"}}},
      {.name = "pin",
       .entity = 12,
       .columns = {{"repository"}, {"name", As::text}, {"blob"}, {"digest"}, {"since"}},
       .primary_key = {"repository", "name"},
       .change_key = {{"repository", "id"}, {"name", "name"}}},
  };
}

}  // namespace

std::span<const JournalTable> journal_tables() {
  static const auto tables = [] {
    std::vector<JournalTable> out;
    for (const auto& plan : plans()) out.push_back(table_of(plan));
    return out;
  }();
  return tables;
}

const JournalTable* journal_table(std::string_view name) {
  const auto tables = journal_tables();
  const auto found = std::ranges::find(tables, name, &JournalTable::name);
  return found == tables.end() ? nullptr : &*found;
}

}  // namespace slipway::catalog
