/** `validate`, `config` and `schema`: check, print, explain and compare configs. */

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  type ConfigDifference,
  configDifferences,
  type ExplainedKey,
  type ExplainedValue,
  explainKey,
  explainValues,
} from '../../config/explain.js';
import { loadExperiment } from '../../config/index.js';
import type { Validation } from '../../library/validate.js';
import { EXIT, usageError } from '../../util/errors.js';
import { nearest } from '../../util/nearest.js';
import { packageRoot } from '../../util/root.js';
import { counted, printable } from '../../util/words.js';
import { formatAnnotations } from '../../view/github.js';
import { asTyped } from '../command/command-line.js';
import { choice, defineVerb, flag, jsonFormat, set } from '../command/verb.js';
import { printDiagnostics } from '../terminal/diagnostics.js';
import type { Io } from '../terminal/io.js';

export const validate = defineVerb({
  arguments: '<config...>',
  options: {
    set,
    format: choice('<format>', ['text', 'json', 'github'], 'output format').default('text'),
    json: jsonFormat,
  },
  help: 'Exit codes: 0 all configs are valid, 2 a config is wrong, 5 data is damaged.',
  async action([configs], { set, format, json }, { io, commandLine }) {
    // the other verbs of configs start without the engine
    const { validateFile } = await import('../../library/validate.js');
    const verdicts: Verdict[] = [];
    for (const file of configs) {
      const verdict = await validateFile(file, set);
      const diagnostics = asTyped(verdict.diagnostics, commandLine);
      verdicts.push({ file, ...verdict, diagnostics });
    }
    print(verdicts, json ? 'json' : format, io);
    const codes = verdicts.map(verdict => verdict.exitCode);
    if (codes.includes(EXIT.usage)) return EXIT.usage;
    return codes.find(code => code !== EXIT.done) ?? EXIT.done;
  },
});

type Verdict = Validation & { readonly file: string };

function print(verdicts: readonly Verdict[], format: 'text' | 'json' | 'github', io: Io): void {
  switch (format) {
    case 'json': {
      const configs = verdicts.map(({ exitCode, ...config }) => config);
      io.data(`${JSON.stringify({ valid: verdicts.every(({ valid }) => valid), configs }, undefined, 2)}\n`);
      return;
    }
    case 'github': {
      const workspace = process.env.GITHUB_WORKSPACE || undefined;
      for (const { file, diagnostics, warnings } of verdicts) {
        io.out(formatAnnotations(diagnostics, { file, workspace }));
        io.out(formatAnnotations(warnings, { file, workspace, severity: 'warning' }));
      }
      return;
    }
    case 'text': {
      for (const verdict of verdicts) printText(verdict, io);
      return;
    }
    default:
      format satisfies never;
  }
}

function printText({ file, valid, diagnostics, warnings, sequences }: Verdict, io: Io): void {
  printDiagnostics(warnings, 'warning', io, '\n');
  printDiagnostics(diagnostics, 'error', io, '\n');
  const verdict = valid ? `valid${countWords(sequences)}` : counted(diagnostics.length, 'problem');
  io.out(`${printable(file)}: ${verdict}\n`);
}

/** ` (54,000 training, 6,000 validation, 10,000 test sequences)` */
function countWords(sequences: Verdict['sequences']): string {
  if (sequences === undefined) return '';
  const { train, validation, test } = sequences;
  const counts = Object.entries({ training: train, validation, test }).flatMap(([name, count]) =>
    count === undefined ? [] : `${count.toLocaleString('en')} ${name}`,
  );
  return ` (${counts.join(', ')} sequences)`;
}

const options = { set, json: flag('print JSON') };

export const show = defineVerb({
  arguments: '<config>',
  options,
  action([config], { set, json }, { io }) {
    const { experiment, resolvedYaml } = loadExperiment(config, { set });
    io.data(json ? document(experiment) : resolvedYaml);
    return EXIT.done;
  },
});

export const explain = defineVerb({
  arguments: '<config> [key]',
  options,
  action([config, key], { set, json }, { io }) {
    const loaded = loadExperiment(config, { set });
    const explained = key === undefined ? explainValues(loaded) : explainKey(loaded, key);
    if (json) io.data(document(explained));
    else io.out('key' in explained ? formatKey(explained) : formatValues(explained));
    return EXIT.done;
  },
});

export const diff = defineVerb({
  arguments: '<config> <other>',
  options,
  help: 'Exit code 0 even if the configs differ.',
  action([a, b], { set, json }, { io }) {
    const [first, second] = [loadExperiment(a, { set }), loadExperiment(b, { set })];
    const differences = configDifferences(first, second);
    const written = (side: ConfigDifference['a']) =>
      side === undefined ? 'not set' : JSON.stringify(side.value);
    const lines = differences.map(({ key, a, b }) => `${key}: ${written(a)} -> ${written(b)}\n`);
    if (json) io.data(document({ version: 1, a, b, equal: differences.length === 0, differences }));
    else if (lines.length === 0) io.out(`${printable(a)} and ${printable(b)} resolve to the same config.\n`);
    else io.out(`--- ${printable(a)}\n+++ ${printable(b)}\n${lines.join('')}`);
    return EXIT.done;
  },
});

function document(content: unknown): string {
  return `${JSON.stringify(content, undefined, 2)}\n`;
}

/** `key = value` in one column, the origin in another. */
function formatValues(values: readonly ExplainedValue[]): string {
  const texts = values.map(({ key, value }) => `${key} = ${JSON.stringify(value)}`);
  const width = Math.min(60, Math.max(0, ...texts.map(text => text.length)));
  return values.map(({ origin }, i) => `${texts[i].padEnd(width)}  ${origin}\n`).join('');
}

function formatKey({ key, description, expected, values, examples, ...rest }: ExplainedKey): string {
  // a default that depends on other keys is already a sentence
  const words = (value: unknown) => (typeof value === 'string' ? value : JSON.stringify(value));
  const lines = [
    key,
    `  ${description}`,
    `  expected: ${expected}`,
    ...('default' in rest ? [`  default:  ${words(rest.default)}`] : []),
    ...(examples.length > 0
      ? [`  example:  ${examples.map(example => JSON.stringify(example)).join('  ')}`]
      : []),
  ];
  return `${lines.join('\n')}\n\n${values.length === 0 ? 'not set\n' : formatValues(values)}`;
}

const SUFFIX = '.schema.json';

export const schema = defineVerb({
  arguments: '[name]',
  options: { list: flag('list the names of all schemas') },
  help: 'Without a name, prints the schema of configs (experiment).',
  action([name = 'experiment'], { list }, { io }) {
    const folder = join(packageRoot, 'schemas');
    const files = readdirSync(folder).filter(file => file.endsWith(SUFFIX));
    const names = files.map(file => file.slice(0, -SUFFIX.length)).sort();
    const textOf = (known: string) => readFileSync(join(folder, `${known}${SUFFIX}`), 'utf8');
    if (list) io.out(names.map(known => `${known.padEnd(14)}${JSON.parse(textOf(known)).title}\n`).join(''));
    else if (names.includes(name)) io.data(textOf(name));
    else
      throw usageError('cli/unknown-schema', `there is no schema '${name}'`, {
        expected: names.join(', '),
        suggestion: nearest(name, names),
      });
    return EXIT.done;
  },
});
