import type { Client, Pool, PoolClient } from 'pg';

/** A node of a plan, as EXPLAIN (FORMAT JSON) tells it. */
export interface PlanNode {
  readonly 'Node Type': string;
  readonly 'Relation Name'?: string;
  readonly 'Index Name'?: string;
  /** What bounds the scan; what is only compared row by row is not in it. */
  readonly 'Index Cond'?: string;
  readonly Plans?: readonly PlanNode[];
}

export interface Plan {
  readonly query: string;
  readonly nodes: readonly PlanNode[];
}

const LOGINS = ['genledger_server', 'genledger_reader'];

/**
 * Makes the server's logins tell the plan of every statement that they run, those inside of functions too. Call it
 * before they connect. `superuser` is in the same database.
 */
export async function explainEverything(superuser: Client): Promise<void> {
  const { rows } = await superuser.query<{ name: string }>('select current_database() as name');
  const settings = {
    session_preload_libraries: 'auto_explain',
    'auto_explain.log_min_duration': '0',
    'auto_explain.log_nested_statements': 'on',
    'auto_explain.log_format': 'json',
    'auto_explain.log_level': 'notice',
  };
  // Its settings are known only where it is loaded.
  await superuser.query(`load 'auto_explain'`);
  for (const login of LOGINS) {
    for (const [name, value] of Object.entries(settings))
      await superuser.query(`alter role ${login} in database ${rows[0]!.name} set ${name} = '${value}'`);
  }
}

/** The plans of what the pools' sessions ran during `work`, in order. */
export async function plansOf(pools: readonly Pool[], work: () => Promise<unknown>): Promise<Plan[]> {
  const plans: Plan[] = [];
  const heard = new Set<PoolClient>();
  const hear = ({ message }: { message?: string }): void => {
    const json = /plan:\s*(\{[\s\S]*\})\s*$/.exec(message ?? '')?.[1];
    if (!json) return;
    const { 'Query Text': query, Plan: root } = JSON.parse(json) as { 'Query Text': string; Plan: PlanNode };
    plans.push({ query, nodes: nodesOf(root) });
  };
  const listen = (client: PoolClient): void => {
    if (heard.has(client)) return;
    heard.add(client);
    client.on('notice', hear);
  };
  for (const pool of pools) pool.on('acquire', listen);
  try {
    await work();
  } finally {
    for (const pool of pools) pool.off('acquire', listen);
    for (const client of heard) client.off('notice', hear);
  }
  return plans;
}

function nodesOf(node: PlanNode): PlanNode[] {
  return [node, ...(node.Plans ?? []).flatMap(nodesOf)];
}
