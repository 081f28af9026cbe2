/** The verbs that train: `run` and `resume`. */
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
  pauseOption,
  quietOption,
  type Shell,
  setOption,
  tagOption,
  threadsOption,
  verb,
  widthOption,
  withDashboard,
} from '../flags.js';
import { collect, parseFolder, type ResumeOptions, type RunOptions } from '../options.js';

export function addRun(program: Command, { io, commandLine, finish }: Shell): void {
  type Flags = Pick<RunOptions, 'set' | 'backend' | 'output'> & {
    threads?: number;
    width?: Width;
    directory?: string;
    pauseAfterEpoch?: number;
    tag: readonly string[];
    note?: string;
    json?: boolean;
    quiet?: boolean;
  } & DashboardFlags;
  withDashboard(verb(program, 'run <config>', 'train, evaluate, judge the gates, write the run directory'))
    .addOption(setOption())
    .addOption(backendOption())
    .addOption(threadsOption())
    .addOption(widthOption())
    .addOption(outputOption('where experiments are written'))
    .addOption(
      new Option(
        '--directory <dir>',
        'the run directory itself; where the run has begun there, go on with it',
      ).argParser(parseFolder),
    )
    .addOption(pauseOption())
    .addOption(tagOption('run'))
    .addOption(noteOption('run'))
    .addOption(jsonOption('the summary'))
    .addOption(quietOption())
    .action(async (config: string, flags: Flags) => {
      const {
        set,
        backend,
        threads,
        width,
        output,
        directory,
        pauseAfterEpoch,
        tag: tags,
        note,
        json = false,
        quiet = false,
      } = flags;
      const { run } = await import('./run.js');
      finish(
        await run(
          config,
          {
            set,
            backend,
            threads,
            width,
            output,
            directory,
            pauseAfterEpoch,
            tags,
            note,
            json,
            quiet,
            dashboard: dashboardOf(flags),
            commandLine,
          },
          io,
        ),
      );
    });
}

export function addResume(program: Command, { io, commandLine, finish }: Shell): void {
  type Flags = Pick<ResumeOptions, 'set' | 'allowChange'> & {
    backend?: ResumeOptions['backend'];
    threads?: number;
    width?: Width;
    strict?: boolean;
    pauseAfterEpoch?: number;
    json?: boolean;
    quiet?: boolean;
  } & DashboardFlags;
  withDashboard(verb(program, 'resume <run>', 'go on exactly where a run stopped'))
    .addOption(setOption())
    .addOption(
      new Option('--allow-change <key>', 'go on though this changed and alters the results (repeatable)')
        .argParser(collect)
        .default([], 'none'),
    )
    .addOption(keptBackendOption('the run'))
    .addOption(threadsOption())
    .addOption(widthOption())
    .option('--strict', 'fail on a damaged checkpoint instead of taking the one before')
    .addOption(pauseOption())
    .addOption(jsonOption('the summary'))
    .addOption(quietOption())
    .action(async (run: string, flags: Flags) => {
      const {
        set,
        allowChange,
        backend,
        threads,
        width,
        pauseAfterEpoch,
        strict = false,
        json = false,
        quiet = false,
      } = flags;
      const { resume } = await import('./run.js');
      finish(
        await resume(
          run,
          {
            set,
            allowChange,
            backend,
            threads,
            width,
            pauseAfterEpoch,
            strict,
            json,
            quiet,
            dashboard: dashboardOf(flags),
            commandLine,
          },
          io,
        ),
      );
    });
}
