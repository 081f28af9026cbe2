import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { validateAgainst } from '../../src/config/schema/validate.js';

/** Schema errors of the journal's lines, except torn ones, and of the summary. */
export function sweepComplaints(directory: string): string[] {
  const lines = read(join(directory, 'journal.jsonl')).split('\n').flatMap(parsed);
  const summary = read(join(directory, 'summary.json'));
  return [
    ...lines.flatMap(line => complaints('journal', line)),
    ...(summary === '' ? [] : complaints('sweep-summary', JSON.parse(summary))),
  ];
}

export function complaints(schema: string, value: unknown): string[] {
  return validateAgainst(schema, value).map(
    ({ instancePath, message }) => `${schema}${instancePath} ${message}: ${JSON.stringify(value)}`,
  );
}

function read(path: string): string {
  return existsSync(path) ? readFileSync(path, 'utf8') : '';
}

function parsed(line: string): unknown[] {
  try {
    return [JSON.parse(line)];
  } catch {
    return [];
  }
}
