/** `config show`, `config explain` and `config diff`: print resolved configs. */

import {
  type ConfigDifference,
  configDifferences,
  type ExplainedKey,
  type ExplainedValue,
  explainKey,
  explainValues,
} from '../../config/explain.js';
import { loadExperiment } from '../../config/index.js';
import { EXIT } from '../../util/errors.js';
import { printable } from '../../util/words.js';
import { set } from '../command/options.js';
import { defineVerb, flag } from '../command/verb.js';

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
    if (key === undefined) {
      const values = explainValues(loaded);
      if (json) io.data(document(values));
      else io.out(formatValues(values));
    } else {
      const explained = explainKey(loaded, key);
      if (json) io.data(document(explained));
      else io.out(formatKey(explained));
    }
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
    if (json) {
      io.data(document({ version: 1, a, b, equal: differences.length === 0, differences }));
    } else if (differences.length === 0) {
      io.out(`${printable(a)} and ${printable(b)} resolve to the same config.\n`);
    } else {
      const written = (side: ConfigDifference['a']) =>
        side === undefined ? 'not set' : JSON.stringify(side.value);
      io.out(`--- ${printable(a)}\n+++ ${printable(b)}\n`);
      for (const { key, a: old, b: now } of differences)
        io.out(`${key}: ${written(old)} -> ${written(now)}\n`);
    }
    return EXIT.done;
  },
});

function document(content: unknown): string {
  return `${JSON.stringify(content, undefined, 2)}\n`;
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

/** A default that depends on other keys is already a sentence. */
function inWords(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}
