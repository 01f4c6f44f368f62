import { Argument, Command, CommanderError } from 'commander';
import { READ_MODELS } from '@genledger/jobs';
import type { ReadModel } from '@genledger/jobs';
import { ConfigError, ROLES } from '@genledger/platform';
import { demo } from './demo';
import { demoData } from './demo-data';
import { doctor } from './doctor';
import { migrate } from './migrate';
import { rebuild } from './rebuild';
import { replay } from './replay';
import { reset } from './reset';
import type { ResetOptions } from './reset';
import { CommandFailed, Terminal } from './terminal';
import { token } from './token';
import { verify } from './verify';

/** Runs one command line (without node and script) and returns its exit code. */
export async function run(argv: readonly string[], terminal: Terminal): Promise<number> {
  try {
    await programOn(terminal).parseAsync([...argv], { from: 'user' });
    return 0;
  } catch (error) {
    // Commander has said it already, the help included.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    const message = error instanceof Error ? error.message : String(error);
    terminal.err(`genledger: ${message}\n`);
    if (error instanceof CommandFailed) return error.exitCode;
    return error instanceof ConfigError ? 2 : 1;
  }
}

function programOn(terminal: Terminal): Command {
  const program = new Command('genledger')
    .description('Runs generation jobs and keeps the books on them.')
    .exitOverride()
    .configureOutput({ writeOut: (text) => terminal.out(text), writeErr: (text) => terminal.err(text) })
    .showHelpAfterError('(--help says what is allowed)')
    .addHelpText(
      'after',
      '\nExit codes: 0 it worked, 1 it does not hold or went wrong, 2 wrong use.' +
        '\nThe environment is read, and .env in the working directory.',
    );

  command(program, 'migrate')
    .description('bring the database to the schema of this version (embedded, unless DATABASE_URL is given)')
    .action((options: { json?: true }) => migrate(terminal, options));

  command(program, 'token')
    .description('print a bearer token')
    .requiredOption('--user <uuid>', 'whose token it is')
    .requiredOption('--role <role>', `what it may do: ${ROLES.join(', ')}`)
    .option('--ttl <seconds>', 'how long it is good for', '3600')
    .action((options: { user: string; role: string; ttl: string; json?: true }) => token(terminal, options));

  command(program, 'verify')
    .description('hold the whole database and its files against the invariants of the ledger')
    .action((options: { json?: true }) => verify(terminal, options));

  command(program, 'replay')
    .description('tell the story of a job from its events: who, what, why, how long, at what cost')
    .argument('<job-id>', 'whose story it is')
    .option('--as-of <moment>', 'only up to a position of the log, or to an RFC 3339 time')
    .action((id: string, options: { asOf?: string; json?: true }) => replay(terminal, id, options));

  command(program, 'rebuild')
    .description(
      'make a read model what the log says, while the server runs; a stopped one goes on where it was',
    )
    .addArgument(new Argument('<read-model>', 'which one').choices(READ_MODELS))
    .option('--check', 'only compare')
    .action((model: ReadModel, options: { check?: boolean; json?: true }) =>
      rebuild(terminal, model, options),
    );

  command(program, 'doctor')
    .description('check what a server needs here: configuration, folders, port, database, schema, log')
    .action((options: { json?: true }) => doctor(terminal, options));

  command(program, 'reset')
    .description('remove the embedded database, the files and the secret of GENLEDGER_HOME')
    .option('--yes', 'do not ask')
    .action((options: ResetOptions) => reset(terminal, options));

  command(program, 'demo')
    .description('run a text-to-image job from the request to the files, on a database of its own')
    .option('--prompt <text>', 'what to paint')
    .option('--images <number>', 'how many', '2')
    .action((options: { prompt?: string; images: string; json?: true }) => demo(terminal, options));

  command(program, 'demo-data')
    .description('fill an empty log with made-up jobs of the last 90 days; no server may run on it meanwhile')
    .requiredOption('--jobs <number>', 'how many')
    .option('--seed <number>', 'the same seed makes the same jobs', '1')
    .action((options: { jobs: string; seed: string; json?: true }) => demoData(terminal, options));

  return program;
}

function command(program: Command, name: string): Command {
  return program
    .command(name)
    .option('--json', 'print the result as one line of JSON')
    .allowExcessArguments(false);
}
