//! Layers by their names: one, several together (`conv1..conv5,fc6`), and the last hidden one.

use super::error::SpecError;
use super::shapes::Shape;
use super::suggest::nearest;
use super::{LayerKind, NetworkSpec};

impl NetworkSpec {
    /// The names of the layers with weights that `selection` names, in the order of the file:
    /// names and ranges (`conv1..conv5`, both ends included) separated by commas, or `all`.
    ///
    /// ```
    /// # use alexnet_model::NetworkSpec;
    /// let original = NetworkSpec::preset("original")?;
    /// assert_eq!(original.select("fc6, conv1..conv3")?, ["conv1", "conv2", "conv3", "fc6"]);
    /// assert_eq!(original.select("all")?.len(), 8);
    /// assert!(original.select("conv9").unwrap_err().to_string().contains("did you mean `conv"));
    /// # Ok::<(), alexnet_model::SpecError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`SpecError::Selection`]: an unknown name, with the nearest one; a range that ends before it
    /// begins; a layer or a range without weights.
    pub fn select(&self, selection: &str) -> Result<Vec<&str>, SpecError> {
        let wrong = |reason: String| SpecError::Selection {
            network: self.name.clone(),
            selection: selection.to_owned(),
            reason,
        };
        let mut selected = vec![false; self.layers.len()];
        for part in selection.split(',').map(str::trim) {
            let (first, last) = match part.split_once("..") {
                _ if part == "all" => (0, self.layers.len() - 1),
                Some((first, last)) => (
                    self.place(first.trim()).map_err(wrong)?,
                    self.place(last.trim()).map_err(wrong)?,
                ),
                None => [self.place(part).map_err(wrong)?; 2].into(),
            };
            if first > last {
                return Err(wrong(format!("`{part}` ends before it begins")));
            }
            if !self.layers[first..=last].iter().any(|layer| layer.kind.has_parameters()) {
                return Err(wrong(format!("`{part}` has no weights")));
            }
            selected[first..=last].fill(true);
        }
        let layers = self.layers.iter().zip(selected);
        let layers = layers.filter(|(layer, selected)| *selected && layer.kind.has_parameters());
        Ok(layers.map(|(layer, _)| layer.name.as_str()).collect())
    }

    /// The shape of the outputs of the layer named `layer`, for one image.
    ///
    /// # Errors
    ///
    /// [`SpecError::Selection`] for a name that no layer has, with the nearest one;
    /// [`SpecError::Layer`] for the first layer that cannot be.
    pub fn output_of(&self, layer: &str) -> Result<Shape, SpecError> {
        let place = self.place(layer).map_err(|reason| SpecError::Selection {
            network: self.name.clone(),
            selection: layer.to_owned(),
            reason,
        })?;
        Ok(self.shapes()?.swap_remove(place).output)
    }

    /// The name of the last layer before the one of the classes, dropout apart: its outputs are
    /// what people mean by the features of an image. `None` where the network has one layer.
    ///
    /// ```
    /// # use alexnet_model::{NetworkSpec, Shape};
    /// let original = NetworkSpec::preset("original")?;
    /// assert_eq!(original.last_hidden(), Some("relu7"));
    /// assert_eq!(original.output_of("relu7")?, Shape::Vector(4096));
    /// # Ok::<(), alexnet_model::SpecError>(())
    /// ```
    pub fn last_hidden(&self) -> Option<&str> {
        let hidden = self.layers.iter().rev().skip(1);
        let mut kept = hidden.filter(|layer| !matches!(layer.kind, LayerKind::Dropout { .. }));
        kept.next().map(|layer| layer.name.as_str())
    }

    /// The place of the layer `name` among the file's; an error that says which name was meant.
    pub(crate) fn place(&self, name: &str) -> Result<usize, String> {
        let names = || self.layers.iter().map(|layer| layer.name.as_str());
        names().position(|known| known == name).ok_or_else(|| match nearest(name, names()) {
            Some(near) => format!("it has no layer `{name}`, did you mean `{near}`?"),
            None => {
                let names = names().collect::<Vec<_>>().join(", ");
                format!("it has no layer `{name}`; its layers are {names}")
            }
        })
    }
}
