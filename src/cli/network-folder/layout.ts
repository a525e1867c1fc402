import { join } from 'node:path';

/** Where things are in the folder of a network that `quaestor init` makes. */
export class NetworkLayout {
  readonly dir: string;

  constructor(dir: string) {
    this.dir = dir;
  }

  get genesis(): string {
    return join(this.dir, 'genesis.yaml');
  }
  /** The consortium's certificate authority: certificate and key. */
  get authority(): string {
    return join(this.dir, 'authority');
  }
  get validators(): string {
    return join(this.dir, 'validators');
  }
  /** Folder of one validator: all that its machine needs. */
  validator(id: string): string {
    return join(this.validators, id);
  }
  validatorConfig(id: string): string {
    return join(this.validator(id), 'validator.yaml');
  }
  /** Folder of one observer. */
  observer(id: string): string {
    return join(this.dir, 'observers', id);
  }
  observerConfig(id: string): string {
    return join(this.observer(id), 'observer.yaml');
  }
  get clients(): string {
    return join(this.dir, 'clients');
  }
  /** Profile of a member. */
  client(member: string): string {
    return join(this.clients, member);
  }
  /** Profile of the operator. */
  get operator(): string {
    return join(this.dir, operatorName);
  }
  get logs(): string {
    return join(this.dir, 'logs');
  }
  log(validator: string): string {
    return join(this.logs, `${validator}.log`);
  }
  /** Which process runs the network, and which processes its validators are. */
  get running(): string {
    return join(this.dir, 'running.json');
  }
}

/** Name in the operator's certificate. */
export const operatorName = 'operator';
