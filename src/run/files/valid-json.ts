/** Reads the JSON files of a run, and validates them with their schemas. */
import { validateAgainst } from '../../config/schema/schema.js';
import { damagedError } from '../../util/errors.js';
import { notJson } from './json.js';
import { readText } from './opened-file.js';
import { isAbsent } from './unreadable.js';

/**
 * Reads a file and validates it with the schema that describes `T`; undefined if it is missing.
 * @throws UserError (exit 5) if it is not JSON or does not fit the schema
 * @throws UserError (exit 2) if it cannot be read
 */
export function readJson<T>(
  path: string,
  schema: 'summary' | 'manifest' | 'evaluation' | 'notes',
): T | undefined {
  if (isAbsent(path)) return undefined;
  const text = readText(path, { follow: false });
  const damaged = (message: string) => damagedError({ code: 'run/damaged', message, file: path });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw damaged(notJson('this', error));
  }
  const [wrong] = validateAgainst(schema, value);
  if (wrong) throw damaged(`this is not the ${schema} of a run: ${wrong.instancePath} ${wrong.message}`);
  return value as T;
}
