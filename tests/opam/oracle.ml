(* Dumps each opam file that standard input names, a line each, through the official parser, opam-file-format. *)
open OpamParserTypes.FullPos
let b = Buffer.create 4096
let q s = Buffer.add_char b '"'; String.iter (fun c -> if c = '"' || c = '\\' then (Buffer.add_char b '\\'; Buffer.add_char b c) else if c = '\n' then Buffer.add_string b "\\n" else Buffer.add_char b c) s; Buffer.add_char b '"'
let rel = function `Eq -> "=" | `Neq -> "!=" | `Geq -> ">=" | `Gt -> ">" | `Leq -> "<=" | `Lt -> "<"
let env : OpamParserTypes.FullPos.env_update_op_kind -> string = function Eq -> "=" | PlusEq -> "+=" | EqPlus -> "=+" | EqPlusEq -> "=+=" | ColonEq -> ":=" | EqColon -> "=:"
let rec v x = match x.pelem with
  | Bool x -> Buffer.add_string b (if x then "T" else "F")
  | Int i -> Buffer.add_string b (string_of_int i)
  | String s -> q s
  | Ident s -> Buffer.add_string b ("i:" ^ s)
  | Relop (o,a,c) -> Buffer.add_string b ("(rel " ^ rel o.pelem ^ " "); v a; Buffer.add_char b ' '; v c; Buffer.add_char b ')'
  | Prefix_relop (o,a) -> Buffer.add_string b ("(prel " ^ rel o.pelem ^ " "); v a; Buffer.add_char b ')'
  | Logop (o,a,c) -> Buffer.add_string b (match o.pelem with `And -> "(and " | `Or -> "(or "); v a; Buffer.add_char b ' '; v c; Buffer.add_char b ')'
  | Pfxop (o,a) -> Buffer.add_string b (match o.pelem with `Not -> "(pfx ! " | `Defined -> "(pfx ? "); v a; Buffer.add_char b ')'
  | List l -> Buffer.add_char b '['; vs l.pelem; Buffer.add_char b ']'
  | Group l -> Buffer.add_char b '('; vs l.pelem; Buffer.add_char b ')'
  | Option (a,l) -> Buffer.add_string b "(opt "; v a; Buffer.add_string b " {"; vs l.pelem; Buffer.add_string b "})"
  | Env_binding (a,o,c) -> Buffer.add_string b ("(env " ^ env o.pelem ^ " "); v a; Buffer.add_char b ' '; v c; Buffer.add_char b ')'
and vs l = List.iteri (fun i x -> if i > 0 then Buffer.add_char b ' '; v x) l
let rec item x = match x.pelem with
  | Variable (n,x) -> Buffer.add_string b n.pelem; Buffer.add_char b '='; v x; Buffer.add_char b ';'
  | Section s -> Buffer.add_string b s.section_kind.pelem; (match s.section_name with None -> () | Some n -> q n.pelem); Buffer.add_char b '{'; List.iter item s.section_items.pelem; Buffer.add_string b "};"
let () = try while true do
  let f = input_line stdin in Buffer.clear b;
  (try List.iter item (OpamParser.FullPos.file f).file_contents with e -> Buffer.clear b; Buffer.add_string b ("ERR " ^ Printexc.to_string e));
  Printf.printf "%s\t%s\n" f (Buffer.contents b) done with End_of_file -> ()
