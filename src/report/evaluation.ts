/** `evaluation.json`, where the run left one. */
import { readFileSync } from 'node:fs';
import { isRecord } from '../config/schema-walk.js';
import { damagedError } from '../errors.js';
import { isAbsent } from '../experiment/unreadable.js';
import type { EvaluationReport } from './document.js';

/** Null where there is none. Throws exit 5 where the file is none. */
export function readEvaluation(path: string): EvaluationReport | null {
  if (isAbsent(path)) return null;
  const text = readFileSync(path, 'utf8');
  const value: unknown = JSON.parse(text);
  if (!isRecord(value))
    throw damagedError({ code: 'run/damaged', message: 'this is no evaluation', file: path });
  return null;
}
