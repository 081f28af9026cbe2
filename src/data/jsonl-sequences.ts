/** Reads sequences to predict from JSON Lines, record by record. */
import { FloatList } from './core/columns.js';
import type { DataRecord, ReadSequence, SequenceReader } from './core/pipeline.js';
import { Problems } from './core/problems.js';
import { JsonlPieces, type JsonRecord, type RecordLine } from './formats/json-lines.js';
import type { JsonlConfig } from './jsonl.js';
import { addSteps, attemptField, textOf } from './jsonl-fields.js';
import { inTurn, placeNames } from './reading/byte-sources.js';
import { symbolReader } from './vocabulary.js';

/** Reads the field `input` of each record. */
export function jsonlSequences(config: JsonlConfig, { input, vocabulary }: DataRecord): SequenceReader {
  const codeOf = symbolReader(vocabulary);
  const shape = input.kind === 'number' ? { features: input.size } : {};
  return {
    hasIds: true,
    hasTimes: false,
    async *read(sources) {
      let done: ReadSequence[] = [];
      const nameOf = placeNames(sources);
      for await (const { name: file, chunks } of inTurn(sources)) {
        const pieces = new JsonlPieces(file, {
          record(record, line) {
            const name = nameOf({ file, line: line.number });
            done.push(readSequence(record, line, name));
          },
          broken: problem => done.push({ problems: [problem] }),
        });
        for await (const chunk of chunks) {
          pieces.push(chunk);
          yield done;
          done = [];
        }
        pieces.end();
        yield done;
        done = [];
      }
    },
  };

  /** @param name of a record without an id */
  function readSequence(record: JsonRecord, line: RecordLine, name: string): ReadSequence {
    const problems = new Problems();
    const attempt = <T>(field: string, read: (value: unknown) => T): T | undefined =>
      attemptField(record, field, { read, problems, line });
    const values = new FloatList(64);
    const hasId = config.id !== undefined && Object.hasOwn(record, config.id);
    const given = hasId ? attempt(config.id, textOf) : '';
    // an empty one names nothing
    const id = given === '' ? name : given;
    const length = attempt(config.input, value => addSteps(value, config, { shape, codeOf, out: values }));
    const named = id !== undefined && { id };
    return length === undefined || problems.all.length > 0
      ? { problems: problems.all, ...named }
      : { length, values: values.toArray(), ...named, place: line.place() };
  }
}
