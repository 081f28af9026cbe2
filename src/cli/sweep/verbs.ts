/** The verbs of sweeps: `sweep` with what it has below it. */
import { type Command, Option } from 'commander';
import type { Width } from '../../engine/simd/target.js';
import {
  backendOption,
  type DashboardFlags,
  dashboardOf,
  jsonOption,
  keptBackendOption,
  noteOption,
  outputOption,
  quietOption,
  type Shell,
  setOption,
  tagOption,
  verb,
  widthOption,
  withDashboard,
} from '../flags.js';
import { collect, parseThreads } from '../options.js';
import { SWEEP_HELP } from './help.js';
import { LAUNCHERS } from './launcher.js';
import type { SweepOptions, SweepRunOptions } from './sweep.js';

/** Flags that only runFlags a sweep has. */
type RunFlags = Omit<
  SweepRunOptions,
  'version' | 'backend' | 'json' | 'quiet' | 'threads' | 'width' | 'queue' | 'dashboard'
> &
  DashboardFlags & {
    readonly threads?: number;
    readonly width?: Width;
    readonly queue?: string;
    readonly json?: boolean;
    readonly quiet?: boolean;
  };

type Given = RunFlags &
  Pick<SweepOptions, 'set' | 'output' | 'backend'> &
  SweepOptions['flags'] & {
    readonly dryRun?: boolean;
    readonly tag: readonly string[];
    readonly note?: string;
  };

export function addSweep(program: Command, shell: Shell): void {
  const { io, finish, version } = shell;
  const sweep = verb(program, 'sweep <words...>', 'train many variants of a config and find the best')
    .addOption(setOption())
    .addOption(new Option('--objective <metric:goal>', 'what is sought, such as test.accuracy:max'))
    .addOption(new Option('--method <name>', 'grid, random, sobol or tpe'))
    .addOption(new Option('--trials <n>', 'points at most'))
    .addOption(new Option('--time <duration>', 'no new trial after, such as 90s, 10m or 2h'))
    .addOption(new Option('--target <value>', 'end once a trial is at least as good'))
    .addOption(new Option('--seeds <list>', 'seeds that each point is trained with, with commas between'))
    .addOption(new Option('--pruner <name>', 'none, median, asha or hyperband; or a mapping'))
    .addOption(new Option('--parallel <n>', 'trials at the same time (default: 1)'))
    .addOption(outputOption('where experiments are written'))
    .addOption(tagOption('sweep'))
    .addOption(noteOption('sweep'))
    .option('--dry-run', 'list the points and estimate the time instead');
  runFlags(sweep)
    .addOption(backendOption())
    .addHelpText('after', SWEEP_HELP)
    .action(async (words: string[], given: Given, command: Command) => {
      const { objective, method, trials, time, target, seeds, pruner, parallel, ...rest } = given;
      const flags = defined({ objective, method, trials, time, target, seeds, pruner, parallel });
      const { sweep: run } = await import('./sweep.js');
      const { set, output, backend, dryRun = false, tag: tags, note } = rest;
      finish(
        await run(
          words,
          { ...complete(rest, version, command), backend, set, output, dryRun, flags, tags, note },
          io,
        ),
      );
    });
  addStatus(sweep, shell);
  addResume(sweep, shell);
  addReplay(sweep, shell);
}

function addStatus(sweep: Command, { io, finish }: Shell): void {
  verb(sweep, 'status <sweep>', 'how far a sweep is, and what leads')
    .addOption(jsonOption('the summary'))
    .action(async (path: string, { json = false }: { json?: boolean }) => {
      const { sweepStatus } = await import('./status.js');
      finish(sweepStatus(path, { json }, io));
    });
}

function addResume(sweep: Command, { io, finish, version }: Shell): void {
  type Flags = RunFlags & { readonly backend?: SweepRunOptions['backend']; readonly retryFailed?: boolean };
  runFlags(verb(sweep, 'resume <sweep>', 'go on exactly where a sweep stopped'))
    .addOption(keptBackendOption('the sweep'))
    .addOption(new Option('--retry-failed', 'try trials that failed again, from where they were'))
    .action(async (path: string, given: Flags, command: Command) => {
      const { resumeSweepAt } = await import('./sweep.js');
      const { backend, retryFailed = false, ...rest } = given;
      finish(await resumeSweepAt(path, { ...complete(rest, version, command), backend, retryFailed }, io));
    });
}

function addReplay(sweep: Command, { io, finish }: Shell): void {
  verb(sweep, 'replay <sweep>', 'decide a sweep again from its results, and compare every byte')
    .addOption(new Option('--what-if <pruner>', 'decide with another pruner instead: its name, or a mapping'))
    .addOption(jsonOption('the verdict'))
    .action(async (path: string, { whatIf, json = false }: { whatIf?: string; json?: boolean }) => {
      const { sweepReplay } = await import('./replay.js');
      finish(sweepReplay(path, { whatIf, json }, io));
    });
}

/** The flags of whatever starts trials. */
function runFlags(command: Command): Command {
  return withDashboard(command)
    .addOption(new Option('--launcher <name>', 'what starts the trials').choices(LAUNCHERS).default('local'))
    .addOption(
      new Option('--queue <url>', 'the queue of --launcher bullmq: redis://host:6379').env('CELLRUN_QUEUE'),
    )
    .addOption(
      new Option('--sbatch <option>', 'a further option of sbatch, such as --partition=long (repeatable)')
        .argParser(collect)
        .default([], 'none'),
    )
    .addOption(
      new Option('--threads <n>', 'threads of all trials together (default: the cores)').argParser(
        parseThreads,
      ),
    )
    .addOption(widthOption())
    .addOption(jsonOption('the summary'))
    .addOption(quietOption());
}

function complete(
  { launcher, queue, sbatch, threads, width, json = false, quiet = false, ...flags }: RunFlags,
  version: string,
  command: Command,
): Omit<SweepRunOptions, 'backend'> {
  // the environment has it for workers as well, whatever the launcher of this sweep
  const isMeant = launcher === 'bullmq' || command.getOptionValueSource('queue') === 'cli';
  return {
    dashboard: dashboardOf(flags),
    launcher,
    queue: isMeant ? queue : undefined,
    sbatch,
    threads,
    width,
    json,
    quiet,
    version,
  };
}

/** Without what commander leaves undefined. */
function defined(flags: SweepOptions['flags']): SweepOptions['flags'] {
  return Object.fromEntries(Object.entries(flags).filter(([, value]) => value !== undefined));
}
