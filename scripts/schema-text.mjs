// The schema `genledger` as SQL text, by queries of our own: in a fixed order, independent of the date (the monthly
// partitions are left out) and, as far as it goes, of the PostgreSQL version.

/** @param {import('pg').Client} client of a migrated database */
export async function schemaText(client) {
  // Names in expressions are then written with their schema, whoever asks.
  await client.query(`set search_path = ''`);
  const read = async (sql) => (await client.query(sql)).rows;
  const [
    relations,
    columns,
    constraints,
    indexes,
    triggers,
    policies,
    grants,
    comments,
    functions,
    sequences,
  ] = [
    await read(RELATIONS),
    by(await read(COLUMNS)),
    by(await read(CONSTRAINTS)),
    by(await read(INDEXES)),
    by(await read(TRIGGERS)),
    by(await read(POLICIES)),
    by(await read(GRANTS)),
    by(await read(COMMENTS)),
    await read(FUNCTIONS),
    await read(SEQUENCES),
  ];
  const details = ({ name }) => [
    ...(indexes.get(name) ?? []).map(({ text }) => `${text};`),
    ...(triggers.get(name) ?? []).map(({ text }) => `${text};`),
    ...(policies.get(name) ?? []).map(({ text }) => `${text};`),
    ...(grants.get(name) ?? []).map(({ text }) => `${text};`),
    ...(comments.get(name) ?? []).map(({ text }) => `${text};`),
  ];
  const sections = [
    HEADER,
    ...sequences.map((sequence) =>
      [sequence.text, ...(grants.get(sequence.name) ?? []).map(({ text }) => `${text};`)].join('\n'),
    ),
    ...relations
      .filter(({ kind }) => kind !== 'v')
      .map((table) =>
        [tableText(table, columns, constraints), ...rowSecurity(table), ...details(table)].join('\n'),
      ),
    ...functions.map(({ text, comment, granted }) =>
      [`${text.trimEnd()};`, ...granted, ...(comment ? [comment] : [])].join('\n'),
    ),
    ...relations
      .filter(({ kind }) => kind === 'v')
      .map((view) => [viewText(view), ...details(view)].join('\n')),
  ];
  return `${sections.join('\n\n')}\n`;
}

const HEADER = `-- The schema genledger after all migrations, printed from the catalogue for reading and for diffs. Nothing runs it.
-- Made anew by: node scripts/print-schema.mjs`;

function tableText(table, columns, constraints) {
  if (table.parent) return `create table ${table.name} partition of ${table.parent} ${table.bound};`;
  const lines = [
    ...(columns.get(table.name) ?? []).map(({ text }) => text),
    ...(constraints.get(table.name) ?? []).map(({ text }) => text),
  ];
  const partition = table.partition_key ? ` partition by ${table.partition_key}` : '';
  const options = table.options ? ` with (${table.options})` : '';
  return `create table ${table.name} (\n${lines.map((line) => `  ${line}`).join(',\n')}\n)${partition}${options};`;
}

function rowSecurity({ name, has_rls, forces_rls }) {
  return [
    ...(has_rls ? [`alter table ${name} enable row level security;`] : []),
    ...(forces_rls ? [`alter table ${name} force row level security;`] : []),
  ];
}

function viewText({ name, options, definition }) {
  return `create view ${name}${options ? ` with (${options})` : ''} as\n${definition.trimEnd()}`;
}

function by(rows) {
  const groups = new Map();
  for (const row of rows) groups.set(row.name, [...(groups.get(row.name) ?? []), row]);
  return groups;
}

/** Everything but the monthly partitions, which depend on the day of the migration. */
const OURS = `n.nspname = 'genledger' and c.relname !~ '^events_[0-9]{4}_[0-9]{2}(_|$)'`;
const NAME = `format('%I.%I', n.nspname, c.relname)`;
const PRIVILEGES = `string_agg(lower(a.privilege_type), ', ' order by a.privilege_type collate "C")`;
const GRANTEE = `case when a.grantee = 0 then 'public' else quote_ident(pg_get_userbyid(a.grantee)) end`;

const RELATIONS = `
  select ${NAME} as name, c.relkind as kind, c.relrowsecurity as has_rls, c.relforcerowsecurity as forces_rls,
         array_to_string(c.reloptions, ', ') as options,
         case when c.relkind = 'p' then pg_get_partkeydef(c.oid) end as partition_key,
         case when c.relispartition then (select i.inhparent::regclass::text from pg_inherits i where i.inhrelid = c.oid) end as parent,
         pg_get_expr(c.relpartbound, c.oid) as bound,
         case when c.relkind = 'v' then pg_get_viewdef(c.oid) end as definition
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
   where ${OURS} and c.relkind in ('r', 'p', 'v', 'm', 'f') order by c.relname collate "C"`;

const COLUMNS = `
  select ${NAME} as name, concat(quote_ident(a.attname), ' ', format_type(a.atttypid, a.atttypmod),
           case when a.attnotnull then ' not null' end,
           case when a.attidentity <> '' then ' generated ' || case a.attidentity when 'a' then 'always' else 'by default' end || ' as identity'
                when a.attgenerated <> '' then ' generated always as (' || pg_get_expr(d.adbin, d.adrelid) || ') stored'
                when d.adbin is not null then ' default ' || pg_get_expr(d.adbin, d.adrelid) end) as text
    from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
    left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
   where ${OURS} and c.relkind in ('r', 'p') and a.attnum > 0 and not a.attisdropped order by 1, a.attnum`;

/** From 18 on, not null is a constraint too: it stands with its column. */
const CONSTRAINTS = `
  select ${NAME} as name, format('constraint %I %s', k.conname, pg_get_constraintdef(k.oid)) as text
    from pg_constraint k join pg_class c on c.oid = k.conrelid join pg_namespace n on n.oid = c.relnamespace
   where ${OURS} and k.contype in ('p', 'u', 'c', 'f', 'x') and k.conparentid = 0
   order by 1, array_position(array['p', 'u', 'c', 'x', 'f'], k.contype::text), k.conname collate "C"`;

const INDEXES = `
  select ${NAME} as name, pg_get_indexdef(i.indexrelid) as text
    from pg_index i join pg_class c on c.oid = i.indrelid join pg_namespace n on n.oid = c.relnamespace
    join pg_class x on x.oid = i.indexrelid
   where ${OURS} and not x.relispartition and not exists (select from pg_constraint k where k.conindid = i.indexrelid)
   order by 1, x.relname collate "C"`;

const TRIGGERS = `
  select ${NAME} as name,
         concat(pg_get_triggerdef(t.oid), case when t.tgenabled <> 'O' then ' -- enabled: ' || t.tgenabled::text end) as text
    from pg_trigger t join pg_class c on c.oid = t.tgrelid join pg_namespace n on n.oid = c.relnamespace
   where ${OURS} and not t.tgisinternal and t.tgparentid = 0 order by 1, t.tgname collate "C"`;

const POLICIES = `
  select ${NAME} as name, concat(
           format('create policy %I on %s%s for %s to ', p.polname, ${NAME}, case when p.polpermissive then '' else ' as restrictive' end,
                  case p.polcmd when 'r' then 'select' when 'a' then 'insert' when 'w' then 'update' when 'd' then 'delete' else 'all' end),
           (select string_agg(case when r = 0 then 'public' else quote_ident(pg_get_userbyid(r)) end, ', ' order by 1)
              from unnest(p.polroles) as r),
           ' using (' || pg_get_expr(p.polqual, p.polrelid) || ')',
           ' with check (' || pg_get_expr(p.polwithcheck, p.polrelid) || ')') as text
    from pg_policy p join pg_class c on c.oid = p.polrelid join pg_namespace n on n.oid = c.relnamespace
   where ${OURS} order by 1, p.polname collate "C"`;

/** The owner's own rights go without saying, and differ between versions. */
const GRANTS = `
  select ${NAME} as name, format('grant %s on %s%s to %s', ${PRIVILEGES},
           case c.relkind when 'S' then 'sequence ' else '' end, ${NAME}, ${GRANTEE}) as text
    from pg_class c join pg_namespace n on n.oid = c.relnamespace cross join lateral aclexplode(c.relacl) as a
   where ${OURS} and a.grantee <> c.relowner group by n.nspname, c.relname, c.relkind, a.grantee
  union all
  select ${NAME}, format('grant %s (%I) on %s to %s', ${PRIVILEGES}, t.attname, ${NAME}, ${GRANTEE})
    from pg_attribute t join pg_class c on c.oid = t.attrelid join pg_namespace n on n.oid = c.relnamespace
   cross join lateral aclexplode(t.attacl) as a
   where ${OURS} and a.grantee <> c.relowner group by n.nspname, c.relname, t.attname, a.grantee
   order by 1, 2`;

const COMMENTS = `
  select ${NAME} as name, case when d.objsubid = 0
           then format('comment on %s %s is %L', case c.relkind when 'v' then 'view' when 'S' then 'sequence' else 'table' end, ${NAME}, d.description)
           else format('comment on column %s.%I is %L', ${NAME}, t.attname, d.description) end as text
    from pg_description d join pg_class c on c.oid = d.objoid and d.classoid = 'pg_class'::regclass
    join pg_namespace n on n.oid = c.relnamespace
    left join pg_attribute t on t.attrelid = c.oid and t.attnum = d.objsubid and d.objsubid > 0
   where ${OURS} and c.relkind in ('r', 'p', 'v', 'S') order by 1, d.objsubid`;

const FUNCTIONS = `
  select pg_get_functiondef(p.oid) as text,
         'comment on function ' || p.oid::regprocedure || ' is ' || quote_literal(obj_description(p.oid, 'pg_proc')) || ';' as comment,
         array(select case when p.proacl is null then null
                           else format('grant execute on function %s to %s;', p.oid::regprocedure, ${GRANTEE}) end
                 from aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) as a
                where a.grantee <> p.proowner order by 1) as granted
    from pg_proc p join pg_namespace n on n.oid = p.pronamespace
   where n.nspname = 'genledger' and p.prokind in ('f', 'p') order by p.proname collate "C", p.oid::regprocedure::text collate "C"`;

/** Those that a column owns (serial, identity) stand with it. */
const SEQUENCES = `
  select ${NAME} as name,
         format('create sequence %s as %s increment by %s minvalue %s maxvalue %s start %s cache %s%s;', ${NAME}, s.seqtypid::regtype,
                s.seqincrement, s.seqmin, s.seqmax, s.seqstart, s.seqcache, case when s.seqcycle then ' cycle' else '' end) as text
    from pg_sequence s join pg_class c on c.oid = s.seqrelid join pg_namespace n on n.oid = c.relnamespace
   where ${OURS} and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype in ('a', 'i'))
   order by c.relname collate "C"`;
