//! Builds documents from the scanner's events.

use std::collections::BTreeMap;

use granit_parser::{Event, Marker, Options, Parser, ScalarStyle, Span};
use serde_json::{Map, Value};

use super::{Document, Inside, Limits, Position, Read, SpanTree, Warning, YamlError, resolve};

type Node = (Value, SpanTree);

struct Builder<'t> {
    events: Parser<'t, granit_parser::StrInput<'t>>,
    anchors: BTreeMap<usize, (Node, usize)>,
    warnings: Vec<Warning>,
    limits: Limits,
    nodes: usize,
}

pub fn documents(text: &str, limits: &Limits) -> Result<Read, YamlError> {
    // Whether comments are told of is otherwise for whoever else uses the parser to say.
    let mut options = Options::default();
    options.emit_comments = false;
    let events = Parser::new_from_str_with_options(text, options);
    let mut builder = Builder { events, anchors: BTreeMap::new(), warnings: vec![], limits: *limits, nodes: 0 };
    let mut documents = Vec::new();
    while let Some((event, span)) = builder.next()? {
        match event {
            Event::StreamEnd => break,
            Event::StreamStart | Event::DocumentStart(..) | Event::DocumentEnd => {}
            event => {
                let (value, spans) = builder.node(event, span, 0)?;
                if !value.is_null() {
                    documents.push(Document { value, spans });
                }
                builder.anchors.clear();
            }
        }
    }
    Ok(Read { documents, warnings: builder.warnings })
}

fn position(marker: &Marker) -> Position {
    Position { line: marker.line().max(1), column: marker.col() + 1 }
}

impl<'t> Builder<'t> {
    fn next(&mut self) -> Result<Option<(Event<'t>, Span)>, YamlError> {
        match self.events.next() {
            None => Ok(None),
            Some(Ok(found)) => Ok(Some(found)),
            Some(Err(error)) => {
                let message = error.info();
                let hint = if message.contains("tab") { " (YAML is indented with spaces)" } else { "" };
                Err(YamlError { position: position(error.marker()), message: format!("{message}{hint}") })
            }
        }
    }

    fn inner(&mut self, place: Position) -> Result<(Event<'t>, Span), YamlError> {
        self.next()?.ok_or_else(|| YamlError { position: place, message: "the text ends in the middle of a value".into() })
    }

    fn spend(&mut self, nodes: usize, place: Position) -> Result<(), YamlError> {
        self.nodes += nodes;
        if self.nodes > self.limits.nodes {
            let message = format!("too many values: at most {} are read (aliases count as often as they are used)", self.limits.nodes);
            return Err(YamlError { position: place, message });
        }
        Ok(())
    }

    fn node(&mut self, event: Event<'t>, span: Span, depth: usize) -> Result<Node, YamlError> {
        let place = position(&span.start);
        self.spend(1, place)?;
        if depth > self.limits.depth {
            return Err(YamlError { position: place, message: format!("nested too deep: at most {} levels are read", self.limits.depth) });
        }
        let before = self.nodes;
        let (node, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let value = self.scalar(&text, style, tag.as_deref().map(|t| t.suffix()), place)?;
                ((value, SpanTree { position: place, inside: Inside::Scalar }), anchor)
            }
            Event::SequenceStart(_, anchor, _) => (self.list(place, depth)?, anchor),
            Event::MappingStart(_, anchor, _) => (self.map(place, depth)?, anchor),
            Event::Alias(id) => return self.alias(id, place),
            _ => return Err(YamlError { position: place, message: "a value was expected here".into() }),
        };
        if anchor > 0 {
            self.anchors.insert(anchor, (node.clone(), self.nodes - before + 1));
        }
        Ok(node)
    }

    fn alias(&mut self, id: usize, place: Position) -> Result<Node, YamlError> {
        let Some((_, size)) = self.anchors.get(&id) else {
            return Err(YamlError { position: place, message: "this alias stands for a value that is not complete or not there".into() });
        };
        let size = *size;
        self.spend(size, place)?;
        let ((value, spans), _) = &self.anchors[&id];
        Ok((value.clone(), SpanTree { position: place, inside: spans.inside.clone() }))
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, tag: Option<&str>, place: Position) -> Result<Value, YamlError> {
        if style != ScalarStyle::Plain || tag == Some("str") {
            return Ok(Value::String(text.to_owned()));
        }
        if let Some(message) = resolve::surprise(text) {
            self.warnings.push(Warning { position: place, message });
        }
        resolve::plain(text).map_err(|message| YamlError { position: place, message })
    }

    fn list(&mut self, place: Position, depth: usize) -> Result<Node, YamlError> {
        let (mut values, mut spans) = (Vec::new(), Vec::new());
        loop {
            let (event, span) = self.inner(place)?;
            if matches!(event, Event::SequenceEnd) {
                return Ok((Value::Array(values), SpanTree { position: place, inside: Inside::List(spans) }));
            }
            let (value, tree) = self.node(event, span, depth + 1)?;
            values.push(value);
            spans.push(tree);
        }
    }

    fn map(&mut self, place: Position, depth: usize) -> Result<Node, YamlError> {
        let mut values = Map::new();
        let mut spans = BTreeMap::new();
        let mut merged: Vec<Node> = Vec::new();
        loop {
            let (event, span) = self.inner(place)?;
            if matches!(event, Event::MappingEnd) {
                break;
            }
            let key_place = position(&span.start);
            let merge = matches!(&event, Event::Scalar(text, ScalarStyle::Plain, ..) if text == "<<");
            let key = self.key(event, span, depth)?;
            let (event, span) = self.inner(place)?;
            let (value, tree) = self.node(event, span, depth + 1)?;
            if merge {
                merged.push((value, tree));
                continue;
            }
            if values.insert(key.clone(), value).is_some() {
                self.warnings
                    .push(Warning { position: key_place, message: format!("the key {key:?} is given twice; the last one counts") });
            }
            spans.insert(key, (key_place, tree));
        }
        for node in merged {
            merge_into(&mut values, &mut spans, node, place)?;
        }
        Ok((Value::Object(values), SpanTree { position: place, inside: Inside::Map(spans) }))
    }

    fn key(&mut self, event: Event<'t>, span: Span, depth: usize) -> Result<String, YamlError> {
        let place = position(&span.start);
        match self.node(event, span, depth + 1)?.0 {
            Value::String(text) => Ok(text),
            Value::Array(_) | Value::Object(_) => {
                Err(YamlError { position: place, message: "a key must be a text, not a list or a map".into() })
            }
            other => Ok(other.to_string()),
        }
    }
}

fn merge_into(
    values: &mut Map<String, Value>,
    spans: &mut BTreeMap<String, (Position, SpanTree)>,
    (value, tree): Node,
    place: Position,
) -> Result<(), YamlError> {
    match (value, tree.inside) {
        (Value::Object(map), Inside::Map(mut places)) => {
            for (key, value) in map {
                if !values.contains_key(&key) {
                    if let Some(span) = places.remove(&key) {
                        spans.insert(key.clone(), span);
                    }
                    values.insert(key, value);
                }
            }
            Ok(())
        }
        (Value::Array(items), Inside::List(trees)) => {
            items.into_iter().zip(trees).try_for_each(|node| merge_into(values, spans, node, place))
        }
        _ => Err(YamlError { position: place, message: "map merge requires map or sequence of maps as the value".into() }),
    }
}
