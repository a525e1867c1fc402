import { appendFile, open } from 'node:fs/promises';
import { join } from 'node:path';

/** Name of the record in the data folder. */
const fileName = 'admin-audit.jsonl';

/** What operators did to this node, one JSON object a line, synced before the act; nothing here ever removes a line. */
export class AuditLog {
  readonly #file: string;
  #last: Promise<void> = Promise.resolve();

  constructor(dataDir: string) {
    this.#file = join(dataDir, fileName);
  }

  /** Writes an entry; rejects with the operating system's error. */
  append(entry: Readonly<Record<string, string>>): Promise<void> {
    const written = this.#last.then(async () => {
      await appendFile(this.#file, `${JSON.stringify(entry)}\n`, { mode: 0o600 });
      const handle = await open(this.#file, 'r');
      await handle.sync().finally(() => handle.close());
    });
    this.#last = written.catch(() => undefined);
    return written;
  }
}
