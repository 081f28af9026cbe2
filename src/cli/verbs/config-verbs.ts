/** The verbs that say what a config means and train nothing: `validate`, `data`, `config`, `graph`, `schema`. */
import { Argument, type Command, Option } from 'commander';
import type { Width } from '../../engine/simd/target.js';
import {
  backendOption,
  jsonFormatOption,
  jsonOption,
  type Shell,
  setOption,
  threadsOption,
  verb,
  widthOption,
} from '../flags.js';
import { GRAPH_FORMATS, type RunOptions } from '../options.js';

export function addValidate(program: Command, { io, finish }: Shell): void {
  verb(program, 'validate <config...>', 'check everything that can be checked without training')
    .addOption(setOption())
    .addOption(
      new Option('--format <format>', 'how to report').choices(['text', 'json', 'github']).default('text'),
    )
    .addOption(jsonFormatOption())
    .action(
      async (
        configs: string[],
        options: { set: string[]; format: 'text' | 'json' | 'github'; json?: boolean },
      ) => {
        const { validate } = await import('./validate.js');
        finish(
          await validate(
            configs,
            {
              set: options.set,
              format: options.json ? 'json' : options.format,
              workspace: process.env.GITHUB_WORKSPACE || undefined,
            },
            io,
          ),
        );
      },
    );
}

export function addData(program: Command, { io, finish }: Shell): void {
  verb(program, 'data <config>', 'show the data of a config: counts, lengths, targets, features, examples')
    .addOption(setOption())
    .addOption(jsonOption('the summary'))
    .action(async (config: string, { set, json = false }: { set: string[]; json?: boolean }) => {
      const { data } = await import('./data.js');
      finish(await data(config, { set, json }, io));
    });
}

export function addConfig(program: Command, { io, finish }: Shell): void {
  const config = verb(
    program,
    'config',
    'the resolved config, where its values came from, and what differs between two',
  );
  verb(config, 'show <config>', 'print the config with every default and override filled in')
    .addOption(setOption())
    .option('--json', 'as JSON instead of YAML')
    .action(async (file: string, { set, json = false }: { set: string[]; json?: boolean }) => {
      const { configShow } = await import('./config.js');
      finish(await configShow(file, { set, json }, io));
    });
  verb(config, 'explain <config> [key]', 'say where a value, or every value, came from')
    .addOption(setOption())
    .option('--json', 'as JSON')
    .action(
      async (
        file: string,
        key: string | undefined,
        { set, json = false }: { set: string[]; json?: boolean },
      ) => {
        const { configExplain } = await import('./config.js');
        finish(await configExplain(file, key, { set, json }, io));
      },
    );
  verb(config, 'diff <a> <b>', 'what differs between two configs once they are resolved')
    .addOption(setOption())
    .option('--json', 'as JSON')
    .action(async (a: string, b: string, { set, json = false }: { set: string[]; json?: boolean }) => {
      const { configDiff } = await import('./config.js');
      finish(await configDiff([a, b], { set, json }, io));
    });
}

export function addGraph(program: Command, { io, finish }: Shell): void {
  type Flags = {
    set: string[];
    backend: RunOptions['backend'];
    threads?: number;
    format: (typeof GRAPH_FORMATS)[number];
    json?: boolean;
    emit: string | undefined;
    profile?: boolean;
    width?: Width;
  };
  verb(program, 'graph <config>', 'the compiled graph: nodes, shapes, parameters, FLOPs, kernels, memory')
    .addOption(setOption())
    .addOption(backendOption())
    .addOption(threadsOption())
    .addOption(new Option('--format <format>', 'how to print it').choices(GRAPH_FORMATS).default('text'))
    .addOption(jsonFormatOption())
    .option('--emit <kernel>', "print one kernel's source and the WebAssembly made of it")
    .option('--profile', 'run a few steps and print where their time goes, kernel by kernel')
    .addOption(widthOption())
    .action(async (config: string, { json, format, threads, ...flags }: Flags) => {
      const { graph } = await import('./graph.js');
      finish(await graph(config, { ...flags, threads, format: json ? 'json' : format }, io));
    });
}

export function addSchema(program: Command, { io, finish }: Shell): void {
  verb(program, 'schema', 'print a JSON Schema')
    .addArgument(new Argument('[name]', 'which one').default('experiment'))
    .option('--list', 'name all schemas instead')
    .action(async (name: string, { list = false }: { list?: boolean }) => {
      const { schema } = await import('./schema.js');
      finish(schema(name, { list }, io));
    });
}
