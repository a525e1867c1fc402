/** What the thread that talks to a PKCS #11 library is told, and answers. */
export interface Pkcs11Place {
  /** Absolute path of the vendor's library. */
  readonly module: string;
  readonly tokenLabel: string;
  readonly keyLabel: string;
  readonly pin: string;
}

export type Pkcs11Request =
  /** `pin`: from now on. */
  | { readonly kind: 'open'; readonly pin?: string }
  | { readonly kind: 'sign'; readonly id: number; readonly message: Uint8Array }
  /** Makes a key pair that never leaves the token. */
  | { readonly kind: 'generate' }
  /** Ends the session and the use of the library, before the thread ends. */
  | { readonly kind: 'close' };

export type Pkcs11Answer =
  | { readonly kind: 'opened'; readonly publicKey: Uint8Array }
  | { readonly kind: 'signed'; readonly id: number; readonly signature: Uint8Array }
  | { readonly kind: 'closed' }
  /** The session is over; `fault` is what the library said. */
  | { readonly kind: 'failed'; readonly fault: string };

/** The little of pkcs11js that is used. */
export interface Pkcs11Library {
  load(path: string): void;
  C_Initialize(): void;
  C_Finalize(): void;
  C_GetSlotList(tokenPresent: boolean): Buffer[];
  C_GetTokenInfo(slot: Buffer): { readonly label: string };
  C_OpenSession(slot: Buffer, flags: number): Buffer;
  C_Login(session: Buffer, user: number, pin: string): void;
  C_FindObjectsInit(session: Buffer, template: readonly object[]): void;
  C_FindObjects(session: Buffer, most: number): Buffer[];
  C_FindObjectsFinal(session: Buffer): void;
  C_GetAttributeValue(
    session: Buffer,
    object: Buffer,
    template: readonly object[],
  ): { readonly value: Buffer }[];
  C_GenerateKeyPair(
    session: Buffer,
    mechanism: { readonly mechanism: number },
    publicTemplate: readonly object[],
    privateTemplate: readonly object[],
  ): object;
  C_SignInit(session: Buffer, mechanism: { readonly mechanism: number }, key: Buffer): void;
  C_Sign(session: Buffer, message: Buffer, room: Buffer): Buffer;
}

/** What the thread is started with, besides. */
export interface Pkcs11Port {
  on(event: 'message', listener: (request: Pkcs11Request) => void): void;
  postMessage(answer: Pkcs11Answer): void;
}

/**
 * The whole work of the thread: one session, one call after the other, since calls into the library block. Any fault ends
 * the session; the next `open` begins from the start, so that a token that was away is found again.
 *
 * The function refers to nothing outside itself, since the thread is started from its text.
 */
export function pkcs11Thread(place: Pkcs11Place, newLibrary: () => Pkcs11Library, port: Pkcs11Port): void {
  // Numbers of PKCS #11 3.0.
  const [secretClass, publicClass] = [3, 2];
  const edwardsKey = 0x40;
  const attributes = { objectClass: 0, token: 1, private: 2, label: 3, keyType: 0x100 };
  const [sensitive, sign, verify, extractable, parameters, point] = [
    0x103, 0x108, 0x10a, 0x162, 0x180, 0x181,
  ];
  const [generateEdwards, eddsa] = [0x1055, 0x1057];
  const [serialSession, writableSession, user] = [4, 2, 1];
  /** DER of the curve's name: PrintableString "edwards25519". */
  const curve = Buffer.concat([Buffer.from([0x13, 12]), Buffer.from('edwards25519')]);
  let pin = place.pin;
  /** Never tried again: a token locks itself after a few wrong ones. */
  let refused: { readonly pin: string; readonly fault: string } | undefined;
  let open: { library: Pkcs11Library; session: Buffer; key: Buffer | undefined } | undefined;

  const close = (): void => {
    const before = open;
    open = undefined;
    try {
      before?.library.C_Finalize();
    } catch {
      // It is gone, with all of its sessions.
    }
  };
  const find = (library: Pkcs11Library, session: Buffer, objectClass: number): Buffer[] => {
    library.C_FindObjectsInit(session, [
      { type: attributes.objectClass, value: objectClass },
      { type: attributes.keyType, value: edwardsKey },
      { type: attributes.label, value: place.keyLabel },
    ]);
    try {
      return library.C_FindObjects(session, 2);
    } finally {
      library.C_FindObjectsFinal(session);
    }
  };
  const begin = (flags: number): { library: Pkcs11Library; session: Buffer } => {
    close();
    if (pin === refused?.pin) throw new Error(refused.fault);
    const library = newLibrary();
    library.load(place.module);
    library.C_Initialize();
    open = { library, session: Buffer.alloc(0), key: undefined };
    const slot = library
      .C_GetSlotList(true)
      .find(
        (candidate) => library.C_GetTokenInfo(candidate).label.replace(/[\0 ]+$/, '') === place.tokenLabel,
      );
    if (slot === undefined) throw new Error(`there is no token "${place.tokenLabel}"`);
    const session = library.C_OpenSession(slot, flags);
    try {
      library.C_Login(session, user, pin);
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      if (!/CKR_(USER_)?PIN_/.test(text)) throw error;
      const fault = `its PIN was refused (${text}) and is not tried again, since a token locks itself after a few wrong ones`;
      refused = { pin, fault };
      throw new Error(fault, { cause: error });
    }
    return { library, session };
  };
  const publicKeyOf = (library: Pkcs11Library, session: Buffer): Uint8Array => {
    const [object, other] = find(library, session, publicClass);
    if (object === undefined || other !== undefined) {
      throw new Error(
        `the token has ${object === undefined ? 'no' : 'several'} Ed25519 public keys "${place.keyLabel}"`,
      );
    }
    const [answer] = library.C_GetAttributeValue(session, object, [{ type: point }]);
    const value = answer === undefined ? Buffer.alloc(0) : answer.value;
    // An OCTET STRING around the 32 bytes; some tokens leave it out.
    const bare = value.length === 34 && value[0] === 4 && value[1] === 32 ? value.subarray(2) : value;
    if (bare.length !== 32) throw new Error(`the public key "${place.keyLabel}" is not one of Ed25519`);
    return new Uint8Array(bare);
  };
  const act = (request: Pkcs11Request): Pkcs11Answer => {
    if (request.kind === 'sign') {
      if (open === undefined || open.key === undefined) throw new Error('there is no session');
      const { library, session, key } = open;
      library.C_SignInit(session, { mechanism: eddsa }, key);
      const signature = library.C_Sign(session, Buffer.from(request.message), Buffer.alloc(64));
      return { kind: 'signed', id: request.id, signature: new Uint8Array(signature) };
    }
    if (request.kind === 'close') {
      close();
      return { kind: 'closed' };
    }
    if (request.kind === 'open' && request.pin !== undefined) pin = request.pin;
    const isNew = request.kind === 'generate';
    const { library, session } = begin(isNew ? serialSession | writableSession : serialSession);
    const known = find(library, session, secretClass);
    if (isNew) {
      if (known.length > 0) throw new Error(`the token has a key "${place.keyLabel}" already`);
      const label = { type: attributes.label, value: place.keyLabel };
      library.C_GenerateKeyPair(
        session,
        { mechanism: generateEdwards },
        [
          label,
          { type: attributes.token, value: true },
          { type: verify, value: true },
          { type: parameters, value: curve },
        ],
        [
          label,
          { type: attributes.token, value: true },
          { type: attributes.private, value: true },
          { type: sensitive, value: true },
          { type: extractable, value: false },
          { type: sign, value: true },
        ],
      );
    } else if (known.length !== 1) {
      throw new Error(
        `the token has ${known.length === 0 ? 'no' : 'several'} Ed25519 private keys "${place.keyLabel}"`,
      );
    }
    open = { library, session, key: known[0] };
    return { kind: 'opened', publicKey: publicKeyOf(library, session) };
  };
  port.on('message', (request) => {
    try {
      port.postMessage(act(request));
    } catch (error) {
      close();
      port.postMessage({ kind: 'failed', fault: error instanceof Error ? error.message : String(error) });
    }
  });
}
