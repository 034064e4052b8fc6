# SPDX-License-Identifier: Apache-2.0
#
# The part of nixpkgs' lib that nix/module.nix uses, reimplemented for the tests, which have no nixpkgs: a small module
# system with the same rules and nothing else. Conditions and priorities are pushed down to the options. Only the
# definitions of the highest priority count. Options must be declared once and have one type.
let
  inherit (builtins) attrNames concatLists concatMap concatStringsSep elem filter foldl' getAttr hasAttr head isAttrs
    isBool isFunction isInt isList isPath isString length listToAttrs map mapAttrs replaceStrings substring
    stringLength toString;

  optional = condition: value: if condition then [ value ] else [ ];
  optionals = condition: list: if condition then list else [ ];
  optionalAttrs = condition: set: if condition then set else { };
  optionalString = condition: text: if condition then text else "";
  hasInfix = part: text:
    let plain = builtins.unsafeDiscardStringContext;
    in length (builtins.split (escapeRegex (plain part)) (plain text)) > 1;
  hasSuffix = suffix: text:
    let rest = stringLength text - stringLength suffix;
    in rest >= 0 && substring rest (stringLength suffix) text == suffix;
  escapeRegex = replaceStrings [ "." "+" "*" "(" ")" "[" "$" ] [ "\\." "\\+" "\\*" "\\(" "\\)" "\\[" "\\$" ];
  escapeShellArg = value: "'${replaceStrings [ "'" ] [ "'\\''" ] (toString value)}'";
  escapeShellArgs = values: concatStringsSep " " (map escapeShellArg values);
  genAttrs = names: make: listToAttrs (map (name: { inherit name; value = make name; }) names);
  setAtPath = path: value:
    if path == [ ] then value else { ${head path} = setAtPath (builtins.tail path) value; };
  getAtPath = path: set: foldl' (inner: name: inner.${name}) set path;
  showOption = concatStringsSep ".";

  # --- properties of definitions
  isKind = kind: value: isAttrs value && (value._type or "") == kind;
  mkIf = condition: content: { _type = "if"; inherit condition content; };
  mkMerge = contents: { _type = "merge"; inherit contents; };
  mkOverride = priority: content: { _type = "override"; inherit priority content; };
  defaultPriority = 100;
  optionPriority = 1500;

  # Turns a definition of a set into sets without properties, whose members have the properties instead.
  pushDown = value:
    if isKind "merge" value then concatMap pushDown value.contents
    else if isKind "if" value then map (mapAttrs (_: mkIf value.condition)) (pushDown value.content)
    else if isKind "override" value then map (mapAttrs (_: mkOverride value.priority)) (pushDown value.content)
    else [ value ];
  # Turns a definition of a value into values with priorities. The innermost priority counts.
  discharge = value:
    if isKind "merge" value then concatMap discharge value.contents
    else if isKind "if" value then optionals value.condition (discharge value.content)
    else if isKind "override" value then
      map (inner: if inner.isOrdinary then inner // { inherit (value) priority; isOrdinary = false; } else inner)
        (discharge value.content)
    else [{ inherit value; priority = defaultPriority; isOrdinary = true; }];
  highest = definitions:
    foldl' (lowest: definition: if definition.priority < lowest then definition.priority else lowest) 9999 definitions;
  winners = definitions:
    let priority = highest definitions;
    in map (definition: definition.value) (filter (definition: definition.priority == priority) definitions);

  # --- types
  mergeEqual = path: values:
    if foldl' (same: value: same && value == head values) true values then head values
    else throw "The option `${showOption path}' has conflicting definition values";
  simple = name: check: { inherit name check; merge = mergeEqual; };
  checkAll = type: path: values:
    map
      (value:
        if type.check value then value
        else throw "A definition for option `${showOption path}' is not of type `${type.name}'")
      values;
  types = rec {
    str = simple "string" isString;
    int = simple "integer" isInt;
    bool = simple "boolean" isBool;
    raw = simple "raw" (_: true) // {
      merge = path: values:
        if length values == 1 then head values else throw "The option `${showOption path}' is defined twice";
    };
    package = simple "package" (value: isAttrs value && value ? outPath || isString value);
    path = simple "path" (value:
      isPath value || isAttrs value && value ? outPath || isString value && substring 0 1 value == "/");
    lines = simple "lines" isString // { merge = _: concatStringsSep "\n"; };
    enum = values: simple "one of ${toString values}" (value: elem value values);
    nullOr = type: {
      name = "null or ${type.name}";
      check = value: value == null || type.check value;
      merge = path: values: if elem null values then mergeEqual path values else type.merge path values;
    };
    listOf = type: {
      name = "list of ${type.name}";
      check = isList;
      merge = path: values: checkAll type path (concatLists values);
    };
    # Stands in for the submodules of NixOS: nested sets, whose lists are joined.
    tree = {
      name = "tree";
      check = isAttrs;
      merge = mergeTrees;
    };
    # Each member is evaluated only when it is used, and has one definition.
    lazyAttrs = {
      name = "lazy attribute set";
      check = isAttrs;
      merge = path: values:
        mapAttrs (name: value: raw.merge (path ++ [ name ]) (winners (discharge value)))
          (foldl' (all: set: all // set) { } (concatMap pushDown values));
    };
  };
  mergeTrees = path: values:
    let
      names = attrNames (foldl' (all: set: all // set) { } sets);
      sets = concatMap pushDown values;
      member = name:
        let
          raws = map (getAttr name) (filter (hasAttr name) sets);
          defined = winners (concatMap discharge raws);
          inner = path ++ [ name ];
        in
        # A member does not exist if the conditions of all its definitions are false.
        optional (concatMap discharge raws != [ ]) {
          inherit name;
          value =
            if isAttrs (head defined) && !(head defined ? outPath) then mergeTrees inner raws
            else if isList (head defined) then concatLists defined
            else mergeEqual inner defined;
        };
    in
    listToAttrs (concatMap member names);

  # --- modules
  mkOption = attributes: { _type = "option"; } // attributes;
  isOption = isKind "option";

  evalModules = { modules, specialArgs ? { } }:
    let
      arguments = { inherit config options; lib = self; } // specialArgs;
      # A path is loaded once, even if several modules import it.
      load = module:
        let
          loaded = if isPath module || isString module then import module else module;
          result = if isFunction loaded then loaded arguments else loaded;
          isLong = result ? config || result ? options;
        in
        {
          key = if isPath module || isString module then toString module else null;
          imports = map load (result.imports or [ ]);
          disabled = map (name: toString (specialArgs.modulesPath + "/${name}")) (result.disabledModules or [ ]);
          options = result.options or { };
          config = if isLong then result.config or { } else removeAttrs result [ "imports" "disabledModules" "_file" ];
        };
      loaded = map load modules;
      inside = module: [ module ] ++ concatMap inside module.imports;
      disabled = concatMap (module: module.disabled) (concatMap inside loaded);
      flatten = module:
        if module.key != null && elem module.key disabled then [ ] else [ module ] ++ concatMap flatten module.imports;
      unique = foldl'
        (all: module:
          if module.key != null && elem module.key (map (earlier: earlier.key) all) then all
          else all ++ [ module ]) [ ];
      every = unique (concatMap flatten loaded);

      mergeOptions = path: trees:
        let names = attrNames (foldl' (all: tree: all // tree) { } trees); in
        if length (filter isOption trees) > 1 then throw "The option `${showOption path}' is already declared"
        else if filter isOption trees != [ ] then head trees
        else genAttrs names (name: mergeOptions (path ++ [ name ]) (map (getAttr name) (filter (hasAttr name) trees)));

      # Returns both the options, with information about their definitions, and the values.
      evaluate = path: declared: raws:
        if isOption declared then
          let
            definitions = concatMap discharge raws
              ++ optional (declared ? default) { value = declared.default; priority = optionPriority; };
            values = winners definitions;
            checked = checkAll declared.type path values;
          in
          {
            options = declared // {
              isDefined = definitions != [ ];
              highestPrio = highest definitions;
              definitionsWithPriorities = definitions;
            };
            config =
              if definitions == [ ] then throw "The option `${showOption path}' is used but not defined"
              else (declared.apply or (value: value)) (declared.type.merge path checked);
          }
        else
          let
            sets = concatMap pushDown raws;
            unknown = filter (name: !(declared ? ${name})) (concatMap attrNames sets);
            inner = mapAttrs
              (name: option: evaluate (path ++ [ name ]) option (map (getAttr name) (filter (hasAttr name) sets)))
              declared;
            known = value:
              if unknown == [ ] then value
              else throw "The option `${showOption (path ++ [ (head unknown) ])}' does not exist";
          in
          {
            options = mapAttrs (_: result: result.options) inner;
            config = known (mapAttrs (_: result: result.config) inner);
          };

      declared = mergeOptions [ ] (map (module: module.options) every);
      evaluated = evaluate [ ] declared (map (module: module.config) every);
      options = evaluated.options;
      config = evaluated.config;
    in
    { inherit config options; };

  mkRemovedOptionModule = path: instead: { options, ... }: {
    options = setAtPath path (mkOption { type = types.raw; });
    config.assertions = [{
      assertion = !(getAtPath path options).isDefined;
      message = "The option definition `${showOption path}' no longer has any effect; please remove it.\n${instead}";
    }];
  };
  mkRenamedOptionModule = from: to: { config, options, ... }: {
    options = setAtPath from (mkOption { type = types.raw; apply = _: getAtPath to config; });
    config = mkMerge [
      (setAtPath to (
        let
          old = getAtPath from options;
          override = definition: mkOverride definition.priority definition.value;
        in mkIf old.isDefined (mkMerge (map override old.definitionsWithPriorities))
      ))
      {
        warnings = optional (getAtPath from options).isDefined
          "The option `${showOption from}' has been renamed to `${showOption to}'.";
      }
    ];
  };

  self = {
    inherit concatMap escapeShellArg escapeShellArgs evalModules genAttrs hasInfix hasSuffix mkIf mkMerge mkOption
      mkOverride mkRemovedOptionModule mkRenamedOptionModule optional optionalAttrs optionalString optionals types;
    mkDefault = mkOverride 1000;
    mkForce = mkOverride 50;
    literalExpression = text: { _type = "literalExpression"; inherit text; };
  };
in
self
