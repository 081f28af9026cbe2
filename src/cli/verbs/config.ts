/** `config show`: the resolved config. `config explain`: where its values came from. `config diff`: two of them compared. */

import { loadExperiment } from '../../config/index.js';
import {
  type ConfigDifference,
  configDifferences,
  type ExplainedKey,
  type ExplainedValue,
  explainKey,
  explainValues,
} from '../../config/wording/explain.js';
import { EXIT, type ExitCode } from '../../util/errors.js';
import type { Io } from '../terminal/io.js';

interface ConfigOptions {
  readonly set: readonly string[];
  readonly json: boolean;
}

/** Prints the config with everything filled in, as YAML or JSON. Throws UserError for a config that is wrong. */
export async function configShow(config: string, { set, json }: ConfigOptions, io: Io): Promise<ExitCode> {
  const { experiment, resolvedYaml } = loadExperiment(config, { set });
  io.out(json ? `${JSON.stringify(experiment, undefined, 2)}\n` : resolvedYaml);
  return EXIT.done;
}

/** Prints every value with its origin, or all about one key. Throws UserError for a wrong config or key. */
export async function configExplain(
  config: string,
  key: string | undefined,
  { set, json }: ConfigOptions,
  io: Io,
): Promise<ExitCode> {
  const loaded = loadExperiment(config, { set });
  if (key === undefined) {
    const values = explainValues(loaded);
    io.out(json ? `${JSON.stringify(values, undefined, 2)}\n` : formatValues(values));
  } else {
    const explained = explainKey(loaded, key);
    io.out(json ? `${JSON.stringify(explained, undefined, 2)}\n` : formatKey(explained));
  }
  return EXIT.done;
}

/** Prints the keys in which two configs differ; that they do is no failure. Throws UserError where one of them is wrong. */
export async function configDiff(
  [a, b]: readonly [a: string, b: string],
  { set, json }: ConfigOptions,
  io: Io,
): Promise<ExitCode> {
  const [first, second] = [loadExperiment(a, { set }), loadExperiment(b, { set })];
  const differences = configDifferences(first, second);
  if (json) {
    const answer = { version: 1, a, b, equal: differences.length === 0, differences };
    io.out(`${JSON.stringify(answer, undefined, 2)}\n`);
  } else if (differences.length === 0) {
    io.out(`${a} and ${b} say the same.\n`);
  } else {
    const written = (side: ConfigDifference['a']) =>
      side === undefined ? 'not set' : JSON.stringify(side.value);
    io.out(`--- ${a}\n+++ ${b}\n`);
    for (const { key, a: old, b: now } of differences) io.out(`${key}: ${written(old)} -> ${written(now)}\n`);
  }
  return EXIT.done;
}

/** `key = value` in one column, the origin in another. */
function formatValues(values: readonly ExplainedValue[]): string {
  const lines = values.map(({ key, value, origin }) => ({
    text: `${key} = ${JSON.stringify(value)}`,
    origin,
  }));
  const width = Math.min(60, Math.max(0, ...lines.map(({ text }) => text.length)));
  return lines.map(({ text, origin }) => `${text.padEnd(width)}  ${origin}\n`).join('');
}

function formatKey({ key, description, expected, values, examples, ...rest }: ExplainedKey): string {
  const fallback = 'default' in rest ? [`  default:  ${inWords(rest.default)}`] : [];
  const example =
    examples.length === 0 ? [] : [`  example:  ${examples.map(value => JSON.stringify(value)).join('  ')}`];
  const lines = [key, `  ${description}`, `  expected: ${expected}`, ...fallback, ...example];
  return `${lines.join('\n')}\n\n${values.length === 0 ? 'not set\n' : formatValues(values)}`;
}

/** A default that depends on other keys is a sentence, not a value. */
function inWords(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}
